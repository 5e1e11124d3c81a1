"""`3 x [a, b]` inside brackets: read as a repeat, with every place kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks import RecipeError
from blocks.reader import read
from blocks.repeats import normalise


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[3 x [a, b], c]", "[3 x,[a, b], c]"),
        ("[3 x[a]]", "[3x,[a]]"),
        ("[3x [a]]", "[3x,[a]]"),
        ("[3  x  [a]]", "[3   x,[a]]"),
        ("[2 x [3 x [a], b]]", "[2 x,[3 x,[a], b]]"),
        ("{layers: [12 × [a]]}", "{layers: [12 ×,[a]]}"),
        ("[a,\n 3 x [b]]", "[a,\n 3 x,[b]]"),
        ("[3x[a]]", "[3x[a]]"),
        ("3 x [a]", "3 x [a]"),
        ("- 3 x [a]", "- 3 x [a]"),
        ("['3 x [a]']", "['3 x [a]']"),
        ('["3 x [a]\\" 3 x [b]"]', '["3 x [a]\\" 3 x [b]"]'),
        ("[a, # 3 x [b]\n c]", "[a, # 3 x [b]\n c]"),
        ("about: it's 3 x [a]\nlayers: [3 x [b]]", "about: it's 3 x [a]\nlayers: [3 x,[b]]"),
        ("about: see [1, 3 x [a]\nlayers: [3 x [b]]", "about: see [1, 3 x [a]\nlayers: [3 x,[b]]"),
        ("[a3 x [b]]", "[a3 x [b]]"),
    ],
)
def test_normalise(text: str, expected: str) -> None:
    assert normalise(text) == expected


@given(st.text("[]{},'\"#x×123 ab:\n-\\"))
def test_the_length_stays_and_twice_is_once(text: str) -> None:
    assert len(normalise(text)) == len(text)
    assert normalise(normalise(text)) == normalise(text)


def test_it_is_linear() -> None:
    for part in ("[3 x ", "'", '"\\', "3 x [", "1" * 50, "# ", "[{"):
        text = part * (400_000 // len(part))
        assert len(normalise(text)) == len(text)


def test_places_stay_true() -> None:
    document = read("layers: [3 x [mamba2, ffn], attention]\n")
    assert document.value == {"layers": ["3 x", ["mamba2", "ffn"], "attention"]}
    assert document.span(("layers", 2)).column == 29
    assert document.span(("layers", 1, 1)).column == 23


def test_what_was_valid_is_not_touched() -> None:
    assert read("a: '3 x [b]'\nc: 3 x [d]").value == {"a": "3 x [b]", "c": "3 x [d]"}


def test_no_room_for_a_comma() -> None:
    with pytest.raises(RecipeError) as caught:
        read("layers: [3x[mamba2, ffn]]\n", "r.yaml")
    assert (
        str(caught.value)
        == """\
error[B0112]: expected `,` or `]` here
  --> r.yaml:1:12
1 | layers: [3x[mamba2, ffn]]
  |            ^
  |         - opened here
  = help: write a repeat as `3 x [a, b]`, with a blank before the bracket"""
    )
