"""Layouts: the published patterns, exact arithmetic, and what is said when it fails."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from blocks import layout
from blocks.layout import LayoutError

LETTERS = {"mamba2": "M", "ffn": "-", "attention": "*"}


def woven(depth: int, value: int | str, before: str | None = "ffn") -> str:
    scatter: dict[str, Any] = {"attention": value} | ({"before": before} if before else {})
    return "".join(LETTERS[p.block] for p in layout.weave(depth, ["mamba2", "ffn"], scatter))


def test_nemotron_h_8b() -> None:
    assert woven(52, "8%") == woven(52, 4) == "M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M-"


def test_nemotron_h_56b() -> None:
    assert woven(118, 10) == "M-M-M-M*-" + "M-M-M-M-M*-" * 9 + "M-M-M-M-M-"


def test_shares_round_half_to_even() -> None:
    assert layout.scattered("8%", 118, ()) == 9
    assert layout.scattered("25%", 10, ()) == 2
    assert layout.scattered("35%", 10, ()) == 4
    assert layout.scattered("12.5%", 52, ()) == 6


@given(st.integers(1, 300), st.integers(0, 40))
def test_without_before_the_places_are_megatrons(depth: int, count: int) -> None:
    assume(count < depth)
    made = layout.weave(depth, ["ffn"], {"attention": count})
    found = [i for i, placement in enumerate(made) if placement.block == "attention"]
    step = Fraction(depth - count, count + 1)
    assert found == [int(k * step + Fraction(1, 2)) + k - 1 for k in range(1, count + 1)]


@given(st.integers(1, 60), st.integers(1, 4), st.integers(0, 59))
def test_weaving_scatters_so_many_and_keeps_the_turns(groups: int, size: int, count: int) -> None:
    assume(count < groups)
    members = [f"m{i}" for i in range(size)]
    depth = groups * size + count
    for before in (None, members[-1]):
        scatter: dict[str, Any] = {"s": count} | ({"before": before} if before else {})
        found = [p.block for p in layout.weave(depth, members, scatter)]
        assert len(found) == depth
        assert found.count("s") == count
        assert [b for b in found if b != "s"] == members * groups
        if before:
            assert all(found[i + 1] == before for i, b in enumerate(found) if b == "s")


@given(st.integers(0, 200), st.integers(1, 5))
def test_a_cycle_repeats_until_the_depth(depth: int, size: int) -> None:
    members = [f"m{i}" for i in range(size)]
    assert [p.block for p in layout.cycle(depth, members)] == (members * depth)[:depth]


def test_a_pattern_names_its_letters() -> None:
    read = [p.block for p in layout.from_pattern("M-*", {"M": "mamba2", "-": "ffn", "*": "attention"})]
    assert read == ["mamba2", "ffn", "attention"]


def test_reasons_are_given() -> None:
    found = list(layout.weave(52, ["mamba2", "ffn"], {"attention": "8%", "before": "ffn"}))
    assert found[7].reason == "1 of 4 scattered: group 4 = floor(1·24/5), before ffn"
    assert found[0].reason == "1 of 2 in group 1 of 24"


@pytest.mark.parametrize(
    ("make", "code", "says"),
    [
        (lambda: layout.weave(109, ["a", "b"]), "B0401", "109 layers cannot alternate 2 blocks"),
        (lambda: layout.weave(53, ["a", "b"], {"c": "8%"}), "B0401", "49 layers besides 4 c"),
        (lambda: layout.weave(10, ["a"], {"c": 12}), "B0402", "12 of 10"),
        (lambda: layout.weave(10, ["a", "b"], {"c": 6, "before": "b"}), "B0402", "at least 7 groups of 2"),
        (lambda: layout.weave(10, ["a"], {"c": 1, "d": 1}), "B0403", "exactly one"),
        (
            lambda: layout.weave(10, ["a", "b"], {"a": 2}),
            "B0403",
            "a is scattered among blocks that it is one of",
        ),
        (lambda: layout.weave(10, ["a", "b"], {"c": "100%"}), "B0402", "none is left for a, b"),
        (lambda: layout.weave(10, ["a"], {"before": "a"}), "B0403", "exactly one"),
        (
            lambda: layout.weave(11, ["a", "b"], {"c": 1, "before": "c"}),
            "B0404",
            "not one of the interleaved",
        ),
        (lambda: layout.weave(10, ["a"], {"c": "8"}), "B0308", "not a share"),
        (lambda: layout.weave(10, ["a"], {"c": "101%"}), "B0309", "out of range"),
        (lambda: layout.weave(10, ["a"], {"c": True}), "B0203", "a share such as 8%"),
        (lambda: layout.from_pattern("M?!", {"M": "a"}), "B0405", "no block for '!', '?'"),
        (lambda: layout.cycle(10**12, ["a"]), "B0406", "more than the 100,000 allowed"),
    ],
)
def test_what_does_not_work_out(make: Any, code: str, says: str) -> None:
    with pytest.raises(LayoutError) as caught:
        make()
    assert caught.value.code == code
    assert says in caught.value.message


def test_the_nearest_depths_that_work() -> None:
    with pytest.raises(LayoutError) as caught:
        layout.weave(109, ["mamba2", "ffn"])
    assert caught.value.help == "the nearest depths that work are 108 and 110"
