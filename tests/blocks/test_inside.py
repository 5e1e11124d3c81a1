"""Inside a mixer: parallel linears become one, and nothing is lost."""

import pytest

from blocks import Inside, Op

GATED = Inside(
    (
        Op("gate_proj", "linear", ("x",), ("B", "T", 24), 192, fuse="gate_up_proj"),
        Op("up_proj", "linear", ("x",), ("B", "T", 8), 64, fuse="gate_up_proj"),
        Op("gate", "gate", ("gate_proj", "up_proj"), ("B", "T", 24), label="swiglu"),
        Op("out_proj", "linear", ("gate",), ("B", "T", 8), 192),
    )
)


def test_parallel_linears_become_one() -> None:
    fused = GATED.fused()
    assert fused.ops[0] == Op("gate_up_proj", "linear", ("x",), ("B", "T", 32), 256)
    assert [op.name for op in fused.ops] == ["gate_up_proj", "gate", "out_proj"]


def test_readers_read_the_merged_operation_once() -> None:
    assert GATED.fused().ops[1] == Op("gate", "gate", ("gate_up_proj",), ("B", "T", 24), label="swiglu")


def test_fusing_twice_is_fusing_once() -> None:
    assert GATED.fused().fused() == GATED.fused()


def test_without_fuse_nothing_changes() -> None:
    plain = Inside((Op("in_proj", "linear", ("x",), ("B", 4), 16), Op("act", "gate", ("in_proj",), ("B", 4))))
    assert plain.fused() == plain


def test_linears_of_different_inputs_do_not_fuse() -> None:
    wrong = Inside(
        (
            Op("a", "linear", ("x",), ("B", 4), fuse="both"),
            Op("b", "linear", ("a",), ("B", 4), fuse="both"),
        )
    )
    with pytest.raises(AssertionError, match="b and both read different inputs"):
        wrong.fused()
