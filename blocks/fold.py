"""Folding: a sequence with its repeats written as repeats, `M-M-M*-` as 2 x [M -], M, *, -."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar, Union

Item = TypeVar("Item", bound=Hashable)
MAX_PERIOD = 64


@dataclass(frozen=True, slots=True)
class Repeat(Generic[Item]):
    """`times` times the items, which may hold repeats themselves."""

    times: int
    items: tuple[Item | Repeat[Item], ...]


Folded: TypeAlias = tuple[Union[Item, Repeat[Item]], ...]  # noqa: UP007


def fold(sequence: Sequence[Item], max_period: int = MAX_PERIOD) -> Folded[Item]:
    """Fold from the left, taking at each place the repeat that covers most, the shortest period among equals.

    Linear in the length of the sequence for a fixed `max_period`; `unfold` gives the sequence back.
    """
    result: list[Item | Repeat[Item]] = []
    at = 0
    while at < len(sequence):
        period, times = _best(sequence, at, max_period)
        if times == 1:
            result.append(sequence[at])
            at += 1
        else:
            result.append(Repeat(times, fold(sequence[at : at + period], period // 2)))
            at += period * times
    return tuple(result)


def _best(sequence: Sequence[Item], at: int, max_period: int) -> tuple[int, int]:
    best = (1, 1)
    for period in range(1, min(max_period, (len(sequence) - at) // 2) + 1):
        if sequence[at] != sequence[at + period]:
            continue
        end = at + period
        while end < len(sequence) and sequence[end] == sequence[end - period]:
            end += 1
        times = (end - at) // period
        if times > 1 and period * times > best[0] * best[1]:
            best = (period, times)
    return best


def unfold(folded: Folded[Item]) -> Iterator[Item]:
    """The sequence that was folded."""
    for item in folded:
        if isinstance(item, Repeat):
            for _ in range(item.times):
                yield from unfold(item.items)
        else:
            yield item
