"""From an explicit list of blocks back to a layout: how a person would write it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from blocks.fold import Folded, Repeat, fold
from blocks.layout import LayoutError, weave


def spelled(names: Sequence[str]) -> dict[str, Any]:
    """The keys of a stack whose blocks are these, in this order.

    `depth` and `cycle` where a short round repeats to the end, `interleave` and `scatter` where they place every block
    as it stands, otherwise `layers` with repeats. What is returned lays out to the same list.
    """
    depth, folded = len(names), min(_folded(names), key=len)
    for period in range(1, depth // 2 + 1):
        if all(names[index] == names[index - period] for index in range(period, depth)):
            cycle = list(names[:period])
            short = len(", ".join(cycle)) <= len(folded) + 8  # the words around repeats
            return {"depth": depth, "cycle": cycle} if short else {"layers": folded}
    return next(_woven(names), None) or {"layers": folded}


def _folded(names: Sequence[str]) -> Iterator[str]:
    """The blocks with repeats, in pairs first: `a, ffn, 2 x [b, ffn]` rather than `a, 2 x [ffn, b], ffn`."""
    if len(names) % 2 == 0:
        pairs = fold(list(zip(names[::2], names[1::2], strict=True)))
        yield written(_flat(pairs))
    yield written(fold(names))


def _flat(pairs: Folded[tuple[str, str]]) -> Folded[str]:
    """The blocks of folded pairs, folded alike."""
    found: list[str | Repeat[str]] = []
    for item in pairs:
        found += [Repeat(item.times, _flat(item.items))] if isinstance(item, Repeat) else item
    return tuple(found)


def written(folded: Folded[str]) -> str:
    """A folded list as `layers` has it: `3 x [a, b], a`."""
    return ", ".join(
        f"{item.times} x [{written(item.items)}]" if isinstance(item, Repeat) else item for item in folded
    )


def _woven(names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Every way to interleave some blocks and scatter another one that gives exactly these."""
    depth = len(names)
    for rare in sorted(dict.fromkeys(names), key=names.count):
        rest = [name for name in names if name != rare]
        turns = list(dict.fromkeys(rest))
        if len(turns) < 2 or any(name != turns[index % len(turns)] for index, name in enumerate(rest)):
            continue
        count = depth - len(rest)
        for share in (f"{round(100 * count / depth)}%", count):
            for before in (*reversed(turns), None):
                scatter = {rare: share} | ({} if before is None else {"before": before})
                if _lays_out(depth, turns, scatter, names):
                    yield {"depth": depth, "interleave": turns, "scatter": scatter}


def _lays_out(depth: int, turns: list[str], scatter: dict[str, Any], names: Sequence[str]) -> bool:
    try:
        return [placement.block for placement in weave(depth, turns, scatter)] == list(names)
    except LayoutError:
        return False
