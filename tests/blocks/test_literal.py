"""Layouts written out: every spelling, their length before they are laid out, and what is not understood."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks import literal
from blocks.layout import LayoutError


def trees() -> st.SearchStrategy[Any]:
    names = st.sampled_from(["ffn", "mamba2", "attention"])
    return st.lists(
        st.recursive(
            names,
            lambda inner: st.tuples(st.integers(1, 4), st.lists(inner, max_size=4).map(tuple)),
            max_leaves=8,
        ),
        max_size=5,
    )


def written(tree: Any) -> str:
    return ", ".join(t if isinstance(t, str) else f"{t[0]} x [{written(t[1])}]" for t in tree)


@given(trees())
def test_a_literal_reads_back_and_its_length_is_known_before(tree: Any) -> None:
    text = written(tree)
    read = literal.parse_literal(text)
    assert read == tuple(tree)
    assert literal.length(read) == len(list(literal.literal(read)))


@pytest.mark.parametrize(
    "value",
    [
        "3 x [a, b], c",
        ["3 x [a, b]", "c"],
        ["3 x", ["a", "b"], "c"],
        ["3x", ["a", "b"], "c"],
        [["a", "b", "2 x [a, b]"], "c"],
        "3×[a, b] , c",
    ],
)
def test_spellings_of_a_literal(value: Any) -> None:
    assert "".join(p.block for p in literal.literal(literal.parse_literal(value))) == "abababc"


@pytest.mark.parametrize(
    ("make", "code", "says"),
    [
        (
            lambda: literal.literal(literal.parse_literal("1000000 x [1000000 x [a]]")),
            "B0406",
            "1,000,000,000,000",
        ),
        (lambda: literal.parse_literal("a, 3 y"), "B0407", "not understood"),
        (lambda: literal.parse_literal("[a"), "B0407", "not closed"),
        (lambda: literal.parse_literal("a]"), "B0407", "too many"),
        (lambda: literal.parse_literal("3 x"), "B0407", "repeats nothing"),
        (lambda: literal.parse_literal("2 x 3 x a"), "B0407", "repeats nothing"),
        (lambda: literal.parse_literal(["2 x"]), "B0407", "repeats nothing"),
        (lambda: literal.parse_literal("0 x a"), "B0407", "a repeat of 0"),
        (lambda: literal.parse_literal([1.5]), "B0407", "not a block"),
        (lambda: literal.parse_literal("[" * 70 + "]" * 70), "B0407", "nested more than 64"),
    ],
)
def test_what_does_not_work_out(make: Any, code: str, says: str) -> None:
    with pytest.raises(LayoutError) as caught:
        make()
    assert caught.value.code == code
    assert says in caught.value.message
