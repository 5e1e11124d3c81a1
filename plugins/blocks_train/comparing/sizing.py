"""The width at which an architecture has a certain number of parameters.

Widths that its heads, groups and positions do not allow are passed over. Of those that come near enough, the one that
is a multiple of the largest power of two is taken: hardware multiplies such matrices best.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

NEAR = 0.02
"""Share by which equal parameters may differ."""
GRAINS = (64, 32, 16, 8, 4, 2)
"""Steps of d_model, tried in this order."""
TRIED = 8
"""Multiples of a grain that are tried on each side of where the target should be."""
ROUNDS = 6

Count = Callable[[int], int | None]
"""d_model -> parameters; None where the recipe does not allow that width."""


def nearest_width(count: Count, width: int, target: int) -> tuple[int, int] | None:
    """A d_model whose parameters are near a target, and them; where none is near enough, the nearest of all.

    `width` is one that is allowed. None where no other is, nor is near it.
    """
    known: dict[int, int | None] = {}

    def at(width: int) -> int | None:
        if width not in known:
            known[width] = count(width)
        return known[width]

    now = at(width)
    best = (width, now) if now is not None else None
    if best is not None and is_near(best[1], target):
        return best
    for grain in GRAINS:
        guess = width * math.sqrt(target / now) if now else float(width)
        for _ in range(
            ROUNDS
        ):  # parameters grow with the square of the width, or more slowly: this comes closer
            found = [(k, n) for k in _around(at, guess, grain) if (n := at(k)) is not None]
            if not found:
                break
            here = min(found, key=lambda pair: abs(pair[1] - target))
            if best is None or abs(here[1] - target) < abs(best[1] - target):
                best = here
            before, guess = guess, here[0] * math.sqrt(target / here[1])
            if abs(guess - before) < 1:
                break
        if best is not None and is_near(best[1], target):
            break
    return best


def is_near(parameters: int, target: int) -> bool:
    """Whether these are equal parameters, as comparisons have it."""
    return abs(parameters - target) <= NEAR * target


def _around(at: Count, guess: float, grain: int) -> Iterator[int]:
    """The nearest allowed multiples of a grain below and above a width."""
    middle = max(1, math.floor(guess / grain))
    for multiples in (range(middle, max(0, middle - TRIED), -1), range(middle + 1, middle + 1 + TRIED)):
        for multiple in multiples:
            if at(multiple * grain) is not None:
                yield multiple * grain
                break
