"""Two sequences side by side: what corresponds, what was put in, what was taken out.

The alignment of least cost (Needleman and Wunsch 1970, J. Mol. Biol. 48:443-453): a pair costs what `price` says,
an item without a partner `GAP`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeAlias, TypeVar

Item = TypeVar("Item", bound=Hashable)
Pair: TypeAlias = tuple[int | None, int | None]

GAP = 3
NEVER = 1000
"""The price of items that cannot be partners."""
LIMIT = 4_000_000
"""Cells of the table; longer sequences are paired from the front."""


def align(first: Sequence[Item], second: Sequence[Item], price: Callable[[Item, Item], int]) -> list[Pair]:
    """Pairs of indices in order, None where an item has no partner; of equal alignments that with late gaps.

    Equal items are partners for nothing; `price` is asked once for each two kinds of item.
    """
    start = 0
    while start < min(len(first), len(second)) and first[start] == second[start]:
        start += 1
    end = 0
    while end < min(len(first), len(second)) - start and first[-1 - end] == second[-1 - end]:
        end += 1
    inner_first, inner_second = first[start : len(first) - end], second[start : len(second) - end]
    inner = (
        _paired(len(inner_first), len(inner_second))
        if len(inner_first) * len(inner_second) > LIMIT
        else _best(inner_first, inner_second, price)
    )
    return [
        *((i, i) for i in range(start)),
        *((_shift(i, start), _shift(j, start)) for i, j in inner),
        *((len(first) - k, len(second) - k) for k in range(end, 0, -1)),
    ]


def _shift(index: int | None, by: int) -> int | None:
    return None if index is None else index + by


def _paired(first: int, second: int) -> list[Pair]:
    both: list[Pair] = [(i, i) for i in range(min(first, second))]
    return [*both, *((i, None) for i in range(second, first)), *((None, j) for j in range(first, second))]


def _best(first: Sequence[Item], second: Sequence[Item], price: Callable[[Item, Item], int]) -> list[Pair]:
    kinds = {item: number for number, item in enumerate(dict.fromkeys((*first, *second)))}
    prices = [[0 if a == b else price(a, b) for b in kinds] for a in kinds]
    columns = [kinds[item] for item in second]
    row = [GAP * j for j in range(len(second) + 1)]
    rows = [row]
    for item in first:
        costs, above = prices[kinds[item]], row
        row = [above[0] + GAP]
        for j, kind in enumerate(columns):
            row.append(min(above[j] + costs[kind], above[j + 1] + GAP, row[j] + GAP))
        rows.append(row)
    found: list[Pair] = []
    i, j = len(first), len(second)
    while i or j:
        if j and rows[i][j] == rows[i][j - 1] + GAP:
            j -= 1
            found.append((None, j))
        elif i and rows[i][j] == rows[i - 1][j] + GAP:
            i -= 1
            found.append((i, None))
        else:
            i, j = i - 1, j - 1
            found.append((i, j))
    return found[::-1]
