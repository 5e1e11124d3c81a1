"""Costs: what a polynomial is worth at a length and a width."""

from fractions import Fraction

import pytest

from blocks import Cost, D, T, minimum


def test_forward_and_parameters_at_a_width() -> None:
    cost = Cost(params=4 * D * D + D, flops=8 * D * D * T + 4 * D * T * T)
    assert cost.parameters(8) == 4 * 64 + 8
    assert cost.forward(10, 8) == 8 * 64 * 10 + 4 * 8 * 100
    assert cost.forward(0, 8) == 0


def test_a_decoded_token_costs_its_share_unless_told() -> None:
    assert Cost(flops=6 * D * T).decode(100, 8) == 48
    assert Cost(flops=T + 1).decode(3, 8) == Fraction(4, 3)
    assert Cost(flops=6 * D * T, step=D + T).decode(100, 8) == 108
    assert Cost(flops=6 * D * T, step=0).decode(100, 8) == 0


@pytest.mark.parametrize(("context", "kept"), [(0, 0), (3, 3), (4, 4), (1000, 4)])
def test_a_window_bounds_the_state(context: int, kept: int) -> None:
    assert Cost(state=minimum(T, 4) * D).state_bytes(context, 8, 2) == kept * 8 * 2


def test_each_part_of_the_state_has_its_own_width() -> None:
    cost = Cost(state=T * D, state_fp32=D, state_int64=1)
    assert cost.state_bytes(5, 8, 2) == 5 * 8 * 2 + 8 * 4 + 8
    assert cost.state_bytes(5, 8, 4) == 5 * 8 * 4 + 8 * 4 + 8


def test_nothing_costs_nothing() -> None:
    assert (Cost().parameters(8), Cost().forward(5, 8), Cost().decode(5, 8), Cost().state_bytes(5, 8, 2)) == (
        0, 0, 0, 0,
    )  # fmt: skip
