"""Recomputed activations give the same gradients, are not kept, and leave names as they are."""

import torch

import blocks
from blocks_train.loop.recompute import recompute

RECIPE = """\
recipe: tiny
d_model: 16
tokenizer: byte
blocks:
  attention: {mixer: multi_head, n_heads: 2}
  mamba2: {mixer: mamba2, n_heads: 2, head_dim: 16}
model: [{embed: tokens}, {stack: {layers: "2 x [attention, mamba2]"}}, {norm: rmsnorm}, {head: {lm: {tied: true}}}]
"""
TOKENS = torch.arange(24).view(2, 12)


def gradients(model):
    saved = []

    def pack(tensor):
        saved.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = model(TOKENS)[0].square().mean()
    loss.backward()
    return {name: p.grad for name, p in model.named_parameters()}, len(saved)


def test_gradients_are_the_same_and_less_is_kept() -> None:
    plain, again = blocks.build(RECIPE), blocks.build(RECIPE)
    recompute(again, ["layers.0", "layers.1", "layers.3"])
    wanted, many = gradients(plain)
    found, few = gradients(again)
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    assert few < many / 2
    assert list(again.state_dict()) == list(plain.state_dict())


def test_evaluation_is_untouched() -> None:
    model = blocks.build(RECIPE).eval()
    before = model(TOKENS)[0]
    recompute(model, ["layers.0"])
    assert torch.equal(model(TOKENS)[0], before)
