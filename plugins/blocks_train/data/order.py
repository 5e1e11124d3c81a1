"""Which item comes when: a pure function of (seed, epoch, place), computed and never stored.

An epoch is a permutation of its n items by a generalised Feistel network with cycle walking (Black and Rogaway 2002,
"Ciphers with arbitrary finite domains", sections 4 and 5): the item at a place costs a few integer operations for any
n, so a run resumes, and a rank finds its rows, from the number of the step alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isqrt

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]
UInt64 = NDArray[np.uint64]

ROUNDS = 8
"""An even number. Luby and Rackoff (1988) need four for a large domain; with six, orders of some dozen items still show
which item follows which, with eight they do not (tests/plugins/blocks_train/data/test_order.py)."""

_WORD = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_A, _B = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_MULTIPLIER = np.uint64(_A)
_HALF = np.uint64(32)


def mix(*numbers: int) -> int:
    """64 bits that depend on every number and on their order, by SplitMix64 (Steele et al. 2014, figure 17)."""
    state = 0
    for number in numbers:
        state = (state ^ (number & _WORD)) + _GOLDEN & _WORD
        state = (state ^ state >> 30) * _A & _WORD
        state = (state ^ state >> 27) * _B & _WORD
        state ^= state >> 31
    return state


def permute(places: Int64, size: int, key: int) -> Int64:
    """The items at some places of a permutation of `range(size)` that `key` chooses."""
    left = isqrt(size - 1) + 1
    sizes = np.uint64(left), np.uint64(-(-size // left))
    keys = [np.uint64(key + number * _GOLDEN & _WORD) for number in range(ROUNDS)]
    found = _encrypt(places.astype(np.uint64), sizes, keys)
    while found.max(initial=0) >= size:  # cycle walking
        outside = found >= size
        found[outside] = _encrypt(found[outside], sizes, keys)
    return found.astype(np.int64)


def _encrypt(numbers: UInt64, sizes: tuple[np.uint64, np.uint64], keys: Sequence[np.uint64]) -> UInt64:
    """One pass of the network over `range(sizes[0] * sizes[1])`, of which it is a permutation."""
    a, b = numbers % sizes[0], numbers // sizes[0]
    for number, key in enumerate(keys):
        turned = b * _MULTIPLIER
        turned += key
        turned ^= turned >> _HALF
        turned *= _MULTIPLIER
        turned >>= _HALF
        turned += a
        turned %= sizes[number % 2]
        a, b = b, turned
    a *= sizes[1]
    a += b
    return a


def by_epoch(first: int, count: int, size: int) -> Iterator[tuple[int, Int64]]:
    """Rows `first` to `first + count` of an endless run through epochs of `size` rows: (epoch, places in it)."""
    row = first
    while row < first + count:
        epoch, place = divmod(row, size)
        taken = min(first + count - row, size - place)
        yield epoch, np.arange(place, place + taken)
        row += taken
