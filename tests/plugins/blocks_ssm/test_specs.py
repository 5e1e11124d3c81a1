"""State spaces: default sizes, what does not divide, and a state that does not grow."""

from typing import Any

import pytest

from blocks import Sizes
from blocks_ssm.specs import Mamba, Mamba2

SIZES = Sizes(d_model=64)


@pytest.mark.parametrize(
    ("mixer", "sizes"),
    [
        (Mamba2(), {"n_heads": 2, "norm_groups": 1}),
        (Mamba2(head_dim=16, n_groups=4), {"n_heads": 8, "norm_groups": 4}),
        (Mamba2(n_heads=3, head_dim=5, norm_groups=5), {"n_heads": 3, "norm_groups": 5}),
        (Mamba(), {"d_inner": 128, "dt_rank": 4}),
        (Mamba(d_inner=7, dt_rank=2), {"d_inner": 7, "dt_rank": 2}),
    ],
)
def test_defaults_fill_in(mixer: Mamba | Mamba2, sizes: dict[str, int]) -> None:
    assert not list(mixer.check(SIZES))
    bound = mixer.bind(SIZES)
    assert {name: getattr(bound, name) for name in sizes} == sizes


def test_the_rank_of_the_time_step_is_rounded_up() -> None:
    assert [Mamba().bind(Sizes(d)).dt_rank for d in (1, 16, 17)] == [1, 1, 2]


@pytest.mark.parametrize(
    ("mixer", "code", "field", "help"),
    [
        (
            Mamba2(head_dim=48), "B0307", "head_dim",
            "set n_heads as well: the inner width is n_heads * head_dim then",
        ),
        (Mamba2(head_dim=16, n_groups=3), "B0306", "n_groups", "n_groups is one of 1, 2, 4, 8"),
        (Mamba2(head_dim=16, norm_groups=3), "B0306", "norm_groups", "n_groups is the usual choice"),
        (
            Mamba2(head_dim=16, dt_lower=0.1, dt_upper=0.01), "B0312", "dt_lower",
            "exchange them, or leave one out",
        ),
        (Mamba2(head_dim=256), "B0307", "head_dim", "set n_heads as well: the inner width is n_heads * head_dim then"),
    ],
)  # fmt: skip
def test_complaints(mixer: Mamba2, code: str, field: str, help: str) -> None:
    (found,) = mixer.check(SIZES)
    assert (found.code, found.field, found.help) == (code, field, help)


@pytest.mark.parametrize(
    "mixer",
    [
        Mamba2(head_dim=16), Mamba2(head_dim=16, bias=True, conv_bias=False, gated_norm=False),
        Mamba2(n_heads=3, head_dim=8, n_groups=3), Mamba(), Mamba(bias=True, conv_bias=False, dt_rank=1),
    ],
)  # fmt: skip
def test_what_is_inside_adds_up(mixer: Mamba | Mamba2) -> None:
    bound: Any = mixer.bind(SIZES)
    params = [
        op.params if isinstance(op.params, int) else op.params.number(D=64) for op in bound.inside().ops
    ]
    assert sum(params) == bound.cost().parameters(64)


@pytest.mark.parametrize(
    ("mixer", "limit", "label"),
    [
        (Mamba2(), None, "SSD, state 128"),
        (Mamba2(dt_lower=0.001), (0.001, None), "SSD, state 128, dt from 0.001"),
        (Mamba2(dt_upper=0.1), (None, 0.1), "SSD, state 128, dt to 0.1"),
        (Mamba2(dt_lower=0.1, dt_upper=0.1), (0.1, 0.1), "SSD, state 128, dt from 0.1 to 0.1"),
    ],
)
def test_the_bounds_of_the_time_step(mixer: Mamba2, limit: object, label: str) -> None:
    assert not list(mixer.check(SIZES))
    bound = mixer.bind(SIZES)
    assert bound.call(64).kwargs.get("dt_limit") == limit
    assert bound.inside().ops[2].label == label


@pytest.mark.parametrize("mixer", [Mamba2(head_dim=16), Mamba()])
def test_the_state_does_not_grow_and_a_step_costs_the_same(mixer: Mamba | Mamba2) -> None:
    cost = mixer.bind(SIZES).cost()
    assert len({cost.state_bytes(context, 64, 2) for context in (0, 1, 10**6)}) == 1
    assert cost.decode(1, 64) == cost.decode(10**6, 64)


def test_chunks_cost_as_much_as_they_are_long() -> None:
    short, long = (Mamba2(head_dim=16, chunk_size=size).bind(SIZES).cost() for size in (16, 64))
    assert short.forward(16, 64) == long.forward(16, 64)
    assert short.forward(64, 64) < long.forward(64, 64)
    assert Mamba(chunk_size=1).bind(SIZES).cost() == Mamba(chunk_size=64).bind(SIZES).cost()
