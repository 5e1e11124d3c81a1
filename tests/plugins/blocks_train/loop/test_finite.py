"""The first block whose output is not finite is the one that was broken."""

import math

import pytest
import torch

import blocks
from blocks_train.loop.finite import first_not_finite

RECIPE = """\
recipe: tiny
d_model: 16
tokenizer: byte
blocks:
  attention: {mixer: multi_head, n_heads: 2}
  ffn: {mixer: mlp, d_ff: 32}
model: [{embed: tokens}, {stack: {layers: [attention, ffn, attention]}}, {norm: rmsnorm}, {head: {lm: {tied: false}}}]
"""
TOKENS = torch.arange(12).view(2, 6)
PLAN = blocks.load(RECIPE).plan()


def run_of(model):
    return lambda: torch.nn.functional.cross_entropy(model(TOKENS)[0].flatten(0, 1), TOKENS.flatten())


@pytest.mark.parametrize(
    ("parameter", "name"),
    [
        ("embed.weight", "embed (tokens)"),
        ("layers.0.mixer.out_proj.weight", "layers.0 (attention)"),
        ("layers.1.mixer.in_proj.weight", "layers.1 (ffn)"),
        ("norm.weight", "norm (rmsnorm)"),
        ("head.weight", "head (lm)"),
    ],
)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_the_first_output(parameter: str, name: str, value: float) -> None:
    model = blocks.build(RECIPE)
    with torch.no_grad():
        model.get_parameter(parameter)[0] = value
    assert (
        first_not_finite(model, PLAN, run_of(model))
        == f"the output of {name} is the first that is not finite"
    )
    assert not any(module._forward_hooks for module in model.modules())


def test_the_loss_alone() -> None:
    model = blocks.build(RECIPE)
    found = first_not_finite(model, PLAN, lambda: model(TOKENS)[0].sum() * math.inf)
    assert found == "every block's output is finite, the loss itself is not"


class Broken(torch.autograd.Function):
    """The identity, with a gradient that is not finite."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        return grad * math.inf


def test_a_gradient() -> None:
    model = blocks.build(RECIPE)
    model.get_submodule("layers.1").register_forward_hook(lambda m, a, out: (Broken.apply(out[0]), *out[1:]))
    found = first_not_finite(model, PLAN, run_of(model))
    assert found.startswith("all outputs are finite; the gradient of ")
    assert found.endswith("of layers.1 (ffn) is the first that is not")


def test_all_well() -> None:
    model = blocks.build(RECIPE)
    assert first_not_finite(model, PLAN, run_of(model)) == "run again, every output and gradient is finite"
