"""Selectors: Python's rules for indices, and what selects nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks import selectors
from blocks.layout import LayoutError

BLOCKS = ["mamba2", "ffn", "attention", "ffn", "mamba2", "ffn"]


@given(st.none() | st.integers(-9, 9), st.none() | st.integers(-9, 9), st.sampled_from(["ffn", "layers"]))
def test_slices_are_pythons(start: int | None, stop: int | None, name: str) -> None:
    indices = [i for i, block in enumerate(BLOCKS) if name in (block, "layers")]
    selector = f"{name}[{'' if start is None else start}:{'' if stop is None else stop}]"
    expected = indices[start:stop]
    if expected:
        assert selectors.select(selector, BLOCKS) == expected
    else:
        with pytest.raises(LayoutError, match="selects nothing"):
            selectors.select(selector, BLOCKS)


def test_single_selectors() -> None:
    assert selectors.select("ffn[-1]", BLOCKS) == [5]
    assert selectors.select("ffn[0]", BLOCKS) == [1]
    assert selectors.select("ffn", BLOCKS) == [1, 3, 5]
    assert selectors.select("layers", BLOCKS) == [0, 1, 2, 3, 4, 5]
    assert selectors.select("decoder[2]", BLOCKS, "decoder") == [2]


@pytest.mark.parametrize(
    ("selector", "code"),
    [
        ("ffn[3]", "B0409"),
        ("ffn[-4]", "B0409"),
        ("gru", "B0409"),
        ("ffn[]", "B0409"),
        ("ffn(1)", "B0408"),
        ("ffn[1:2:3]", "B0408"),
        ("", "B0408"),
    ],
)
def test_selectors_that_select_nothing(selector: str, code: str) -> None:
    with pytest.raises(LayoutError) as caught:
        selectors.select(selector, BLOCKS)
    assert caught.value.code == code
