"""The numbers that divide another one, for advice."""

from __future__ import annotations

from math import isqrt

LIMIT = 1000


def divisors(number: int) -> list[int]:
    """The divisors of a number above 0 in order: all of a number up to a million.

    Of a larger one those up to 1,000 and the quotients by them, so that no number takes long.
    """
    small = [n for n in range(1, min(isqrt(number), LIMIT) + 1) if number % n == 0]
    return sorted({*small, *(number // n for n in small)})
