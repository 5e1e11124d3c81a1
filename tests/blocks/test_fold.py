"""Folding: repeats are found, nothing is lost, long sequences are no trouble."""

from __future__ import annotations

import random

import pytest

from blocks.fold import Repeat, fold, unfold


@pytest.mark.parametrize(
    "text", ["", "M", "MM", "M-M-M*-", "abcabcabd", "-MM---M*", "M-M-M-M*-" + 9 * "M-M-M-M-M*-"]
)
def test_unfolding_gives_the_sequence_back(text: str) -> None:
    assert "".join(unfold(fold(text))) == text


def test_random_sequences_survive() -> None:
    draw = random.Random(0)
    for length in range(60):
        text = "".join(draw.choice("M-*") for _ in range(length))
        assert "".join(unfold(fold(text))) == text


def test_repeats_are_nested() -> None:
    folded = fold("M-M-M*-" * 3)
    assert folded == (Repeat(3, (Repeat(2, ("M", "-")), "M", "*", "-")),)


def test_the_shortest_period_wins() -> None:
    assert fold("ab" * 8) == (Repeat(8, ("a", "b")),)


def test_a_deep_model_folds_to_a_line() -> None:
    assert fold("*-" * 5_000) == (Repeat(5_000, ("*", "-")),)
