"""Feed-forward declarations: default widths, and the same cost inside and out."""

import pytest

from blocks import Mixer, Sizes
from blocks_feedforward import module
from blocks_feedforward.specs import MLP, GatedMLP


@pytest.mark.parametrize(
    ("mixer", "d_model", "d_ff"),
    [
        (MLP(), 24, 96), (MLP(d_ff=7), 24, 7), (GatedMLP(), 24, 64), (GatedMLP(), 25, 128), (GatedMLP(), 1, 64),
        (GatedMLP(), 4096, 10944), (GatedMLP(d_ff=7), 24, 7),
    ],
)  # fmt: skip
def test_default_widths(mixer: MLP | GatedMLP, d_model: int, d_ff: int) -> None:
    assert mixer.bind(Sizes(d_model)).d_ff == d_ff


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kind", [MLP, GatedMLP])
@pytest.mark.parametrize("bound", [False, True])
def test_what_is_inside_adds_up(kind: type[MLP] | type[GatedMLP], bias: bool, bound: bool) -> None:
    mixer: MLP | GatedMLP = kind(bias=bias)
    if bound:
        mixer = mixer.bind(Sizes(24))
    inside = mixer.inside()
    total = sum((op.params for op in inside.ops), start=0 * mixer.cost().params)
    assert total == mixer.cost().params
    fused = sum((op.params for op in inside.fused().ops), start=0 * mixer.cost().params)
    assert fused == total


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kind", [MLP, GatedMLP])
def test_the_module_has_the_parameters_that_were_declared(
    kind: type[MLP] | type[GatedMLP], bias: bool
) -> None:
    mixer = kind(bias=bias).bind(Sizes(24))
    call = mixer.call(24)
    built = getattr(module, kind.__name__)(*call.args, **call.kwargs)
    assert sum(p.numel() for p in built.parameters()) == mixer.cost().parameters(24)
    names = {name.partition(".")[0] for name, _ in built.named_parameters()}
    assert names == {op.name for op in mixer.inside().fused().ops if op.kind == "linear"}


@pytest.mark.parametrize(
    ("activation", "function"), [("swiglu", "silu"), ("geglu", "gelu"), ("reglu", "relu")]
)
def test_a_gate_calls_its_function(activation: str, function: str) -> None:
    mixer: Mixer = GatedMLP(activation=activation, d_ff=8)  # type: ignore[arg-type]
    assert mixer.call(4).kwargs == {"d_ff": 8, "activation": function, "bias": False}
