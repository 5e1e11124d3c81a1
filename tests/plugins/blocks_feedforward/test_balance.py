"""The load-balance loss: transformers' for a whole model, and the equations of the Switch Transformer."""

import importlib
import os
from typing import Any

import pytest
import torch
from torch import Tensor

import blocks
from blocks.registry import Registry
from blocks_feedforward.balance import load_balance_loss
from blocks_feedforward.moe import MoE, RouterState

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
LAYERS, SIZE, EXPERTS = 3, 32, 8
RECIPE = f"""
recipe: sparse
d_model: {SIZE}
vocab_size: 100
blocks:
  attention: {{mixer: grouped_query, n_heads: 4, n_kv_heads: 2, position: rope}}
  experts:   {{mixer: moe, n_experts: {EXPERTS}, top_k: 2, d_ff: 48}}
model:
  - embed: tokens
  - stack: {{depth: {2 * LAYERS}, cycle: [attention, experts], norm: rmsnorm}}
  - norm: rmsnorm
  - head: lm
"""


def mixtral() -> tuple[Any, Any]:
    """A recipe's model and transformers', with the same random weights."""
    from transformers import MixtralConfig, MixtralForCausalLM

    config = MixtralConfig(
        vocab_size=100, hidden_size=SIZE, intermediate_size=48, num_hidden_layers=LAYERS, num_attention_heads=4,
        num_key_value_heads=2, num_local_experts=EXPERTS, num_experts_per_tok=2, output_router_logits=True,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0}, attn_implementation="eager",
    )  # fmt: skip
    torch.manual_seed(0)
    theirs = MixtralForCausalLM(config).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    from_them = theirs.state_dict()
    weights: dict[str, Tensor] = {
        "embed.weight": from_them["model.embed_tokens.weight"],
        "norm.weight": from_them["model.norm.weight"],
        "head.weight": from_them["lm_head.weight"],
    }
    for at in range(LAYERS):
        here, attention, experts = f"model.layers.{at}", f"layers.{2 * at}", f"layers.{2 * at + 1}"
        rows = [from_them[f"{here}.self_attn.{x}_proj.weight"] for x in "qkv"]
        weights |= {
            f"{attention}.norm.weight": from_them[f"{here}.input_layernorm.weight"],
            f"{attention}.mixer.qkv_proj.weight": torch.cat(rows),
            f"{attention}.mixer.out_proj.weight": from_them[f"{here}.self_attn.o_proj.weight"],
            f"{experts}.norm.weight": from_them[f"{here}.post_attention_layernorm.weight"],
            f"{experts}.mixer.router.weight": from_them[f"{here}.mlp.gate.weight"],
            f"{experts}.mixer.gate_up_proj.weight": from_them[f"{here}.mlp.experts.gate_up_proj"],
            f"{experts}.mixer.out_proj.weight": from_them[f"{here}.mlp.experts.down_proj"],
        }
    ours = blocks.build(RECIPE)
    ours.load_state_dict(weights)
    return ours, theirs


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(0, 100, (3, 25), generator=generator)
    return tokens, torch.arange(25) < torch.tensor([25, 19, 6])[:, None]


@pytest.mark.parametrize("padded", [False, True])
def test_it_is_transformers_over_all_layers(padded):
    ours, theirs = mixtral()
    tokens, mask = batch()
    given = mask if padded else None
    logits, state = ours(tokens, None, given)
    wanted = theirs(tokens, attention_mask=mask.long() if padded else None)
    real = mask if padded else torch.ones_like(mask)
    torch.testing.assert_close(logits[real], wanted.logits[real], rtol=2e-5, atol=2e-5)
    loss = load_balance_loss(state)
    torch.testing.assert_close(loss, wanted.aux_loss, rtol=1e-5, atol=1e-5)

    loss.backward()
    wanted.aux_loss.backward()
    for at in range(LAYERS):
        gradient = ours.layers[2 * at + 1].mixer.router.weight.grad
        expected = theirs.model.layers[at].mlp.gate.weight.grad
        assert expected.abs().max() > 1e-3
        torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_it_is_of_all_calls_so_far():
    ours, _ = mixtral()
    tokens, mask = batch()
    _, whole = ours(tokens, None, mask)
    _, state = ours(tokens[:, :10], None, mask[:, :10])
    early = load_balance_loss(state)
    _, state = ours(tokens[:, 10:], state, mask[:, 10:])
    torch.testing.assert_close(load_balance_loss(state), load_balance_loss(whole))
    assert not torch.isclose(early, load_balance_loss(whole))


def test_one_router_of_one_expert_a_token_is_the_switch_transformers():
    """Equations 4 to 6 without alpha: N times the product of fractions of tokens and of probability."""
    torch.manual_seed(0)
    module = MoE(SIZE, n_experts=4, top_k=1, d_ff=8, renormalise=False)
    module.router.weight.data.normal_()
    for parameter in (*module.gate_up_proj.parameters(), *module.out_proj.parameters()):
        parameter.data.normal_()
    x = torch.randn(2, 30, SIZE)
    _, state = module(x)
    p = torch.softmax(x.flatten(0, 1) @ module.router.weight.T, dim=-1)
    f = torch.bincount(p.argmax(dim=-1), minlength=4) / 60
    torch.testing.assert_close(load_balance_loss(state), 4 * (f * p.mean(dim=0)).sum())


def test_even_use_is_the_least():
    even = torch.tensor([[[2.0] * 4, [1.0] * 4]])  # four tokens, two experts each
    assert load_balance_loss(RouterState(even)) == 2
    skewed = torch.tensor([[[4.0, 4.0, 0.0, 0.0], [2.0, 2.0, 0.0, 0.0]]])
    assert load_balance_loss(RouterState(skewed)) == 4
    assert load_balance_loss(RouterState(torch.zeros(2, 2, 4))) == 0


@torch.no_grad()
def test_packed_documents_count_as_the_same_tokens_padded():
    torch.manual_seed(0)
    module = MoE(SIZE, n_experts=4, top_k=2, d_ff=8)
    for parameter in module.parameters():
        parameter.normal_()
    x, documents = torch.randn(2, 12, SIZE), torch.tensor([[1] * 5 + [2] * 7, [1] * 3 + [2] * 4 + [0] * 5])
    packed, padded = module(x, None, documents)[1], module(x, None, documents > 0)[1]
    torch.testing.assert_close(load_balance_loss((packed, packed)), load_balance_loss(padded))


def test_what_has_no_router_or_unlike_ones_is_refused():
    one, other = RouterState(torch.ones(1, 2, 4)), RouterState(torch.ones(1, 2, 8))
    with pytest.raises(ValueError, match="this state has no router"):
        load_balance_loss({"layers": (None, (torch.ones(3), None))})
    with pytest.raises(ValueError, match="routers over 4 and 8 experts"):
        load_balance_loss({"layers": [(one, None), other]})


def test_it_is_registered_for_those_who_know_no_plugin():
    entry = Registry.installed().find("auxiliary", "load_balance")
    module, _, name = entry.load().module.partition(":")
    assert getattr(importlib.import_module(module), name) is load_balance_loss
