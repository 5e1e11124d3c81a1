"""The declaration of the mixture of experts: defaults, complaints, the module that it calls, its cost and inside."""

from typing import Any

import pytest
import torch

import blocks
from blocks import BuildError, Polynomial, Sizes, Target
from blocks_feedforward.moe import MoE as Module
from blocks_feedforward.moe_specs import GROUPED_LINEAR, GROUPED_MM, MoE

SIZES = Sizes(24)
MIXERS = {
    "mixtral": MoE(),
    "plain": MoE(n_experts=4, top_k=3, d_ff=20, activation="relu2", bias=True),
    "v3": MoE(
        n_experts=6, top_k=2, d_ff=20, activation="relu2", scoring="sigmoid", choice_bias=True, routed_scale=2.5,
        latent=8, shared_d_ff=28, bias=True,
    ),
    "switch": MoE(n_experts=4, top_k=1, renormalise=False, activation="gelu"),
    "shared": MoE(n_experts=16, top_k=4, d_ff=12, shared_d_ff=28, activation="geglu_tanh"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("mixer", "d_ff"), [(MoE(), 64), (MoE(activation="relu"), 96), (MoE(d_ff=7), 7), (MoE(latent=8), 64)]
)
def test_default_widths(mixer: MoE, d_ff: int) -> None:
    assert not list(mixer.check(SIZES))
    assert mixer.bind(SIZES).d_ff == d_ff


@pytest.mark.parametrize(
    ("mixer", "code", "field", "help"),
    [
        (MoE(n_experts=2, top_k=3), "B0345", "top_k", "at most 2, or more n_experts"),
        (MoE(top_k=1), "B0312", "renormalise", "renormalise: false, as in Switch, or top_k: 2"),
    ],
)
def test_complaints(mixer: MoE, code: str, field: str, help: str) -> None:
    (found,) = mixer.check(SIZES)
    assert (found.code, found.field, found.help) == (code, field, help)


@pytest.mark.parametrize("name", MIXERS)
def test_the_module_holds_what_is_declared(name: str) -> None:
    mixer = MIXERS[name].bind(SIZES)
    call = mixer.call(24)
    with torch.device("meta"):
        module = Module(*call.args, **call.kwargs)
    assert sum(p.numel() for p in module.parameters()) == mixer.cost().parameters(24)
    inside = mixer.inside()
    for side in (inside, inside.fused()):
        total = sum((Polynomial.of(op.params) for op in side.ops), start=Polynomial())
        assert total == Polynomial.of(mixer.cost().params)
    owners = {name.partition(".")[0] for name, _ in module.named_parameters()}
    assert owners == {op.name for op in inside.fused().ops if op.kind == "linear"}


@pytest.mark.parametrize("name", MIXERS)
def test_operations_are_wired(name: str) -> None:
    inside = MIXERS[name].bind(SIZES).inside()
    known = {"x"}
    for op in inside.ops:
        assert set(op.inputs) <= known
        known.add(op.name)
    read = {source for op in inside.ops for source in op.inputs}
    assert read == known - {inside.ops[-1].name}
    assert inside.ops[1].label == f"{MIXERS[name].scoring}, {MIXERS[name].top_k} of {MIXERS[name].n_experts}"


def test_what_is_not_bound_costs_and_is_drawn_too() -> None:
    assert MoE().cost().parameters(24) == 8 * 24 + 8 * 3 * 24 * 64
    assert MoE().inside().ops


def test_work_is_that_of_the_chosen_experts() -> None:
    """Eight experts have the parameters of eight networks and the work of two."""
    few, many = (MoE(n_experts=n, d_ff=64).bind(SIZES).cost() for n in (8, 64))
    router = 2 * 24 * 56
    assert many.forward(100, 24) - few.forward(100, 24) == 100 * router
    assert few.decode(1000, 24) == 2 * (24 * 8 + 2 * 3 * 24 * 64)
    assert few.state_bytes(1, 24, 2) == few.state_bytes(10**6, 24, 2) == 4 * 2 * 8


def test_only_what_differs_is_said_to_the_module() -> None:
    call = MoE(d_ff=7).bind(SIZES).call(24)
    assert call.kwargs == {"n_experts": 8, "top_k": 2, "d_ff": 7, "activation": "silu"}
    assert MIXERS["plain"].call(24).kwargs["gated"] is False


@pytest.mark.parametrize(
    ("device", "dtype", "runs", "prefers"),
    [
        ("cpu", "float32", True, False), ("cpu", "bfloat16", True, False), ("cpu", "float64", False, False),
        ("cuda", "bfloat16", True, True), ("cuda", "float32", False, True), ("meta", "bfloat16", False, False),
    ],
)  # fmt: skip
def test_where_torchs_kernel_is_chosen(device: str, dtype: str, runs: bool, prefers: bool) -> None:
    target, mixer = Target(device, dtype), MoE()
    assert GROUPED_MM.runs(target, mixer) == runs
    assert GROUPED_MM.prefers(target, mixer) == prefers
    assert GROUPED_LINEAR.runs(target, mixer)


RECIPE = """
recipe: r
d_model: 32
vocab_size: 64
blocks:
  a: {mixer: multi_head, n_heads: 2}
  e: {mixer: moe, n_experts: 4, d_ff: 16}
model:
  - embed: tokens
  - stack: {layers: [a, e]}
  - head: lm
"""


@torch.no_grad()
def test_a_model_with_either_kernel_computes_the_same() -> None:
    made: list[Any] = []
    for policy in ("reference", "grouped_mm"):
        graph = blocks.compile_graph(RECIPE, kernels=policy)
        assert graph.node("layers.1.mixer").kernels == (("grouped_linear", policy),)
        made.append(blocks.build(RECIPE, kernels=policy))
    tokens = torch.arange(40).view(2, 20)
    (ours, _), (theirs, _) = (model(tokens) for model in made)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_a_kernel_that_does_not_run_is_refused() -> None:
    with pytest.raises(BuildError, match="no grouped_mm kernel"):
        blocks.build(RECIPE, dtype="float64", kernels="grouped_mm")


@pytest.mark.parametrize(
    ("sentence", "pattern", "options"),
    [
        ("attention and mixture of experts", "*E*E", {}),
        ("attention, MoE with 16 experts, top k 4", "*E*E", {"n_experts": 16, "top_k": 4}),
        ("Transformer with mixture of experts", "*E*E", {}),
        ("attention, sigmoid squared ReLU MoE", "*E*E", {"scoring": "sigmoid", "activation": "relu2"}),
    ],
)
def test_what_a_sentence_calls_it(sentence: str, pattern: str, options: dict[str, Any]) -> None:
    plan = blocks.load(f"recipe: r\nd_model: 64\nvocab_size: 9\ndepth: 4\nmodel: {sentence}").plan()
    assert plan.pattern == pattern
    mixer = plan.streams[0].stages[1].layers[1].type.mixer
    assert {name: getattr(mixer, name) for name in options} == options
