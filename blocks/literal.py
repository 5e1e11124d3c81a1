"""Layouts written out: `3 x [mamba2, ffn], attention`, as text, as a list, or both mixed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias, Union

from blocks.layout import MAX_LAYERS, LayoutError, Path, Placement, check_length

MAX_NESTING = 64
_FLAT = "a list inside a list is the same as its items"

Tree: TypeAlias = Union[str, tuple[int, tuple["Tree", ...]]]  # noqa: UP007
"""A block's name, or a number of repeats of a sequence."""

_TOKEN = re.compile(
    r"\s*(?:(?P<times>\d{1,30})\s*[x×]\s*,?|(?P<name>[A-Za-z_][\w.+-]*)|(?P<sign>[\[\],]))\s*"
)


def parse_literal(value: str | Sequence[Any], path: Path = ("layers",), depth: int = 0) -> tuple[Tree, ...]:
    """Read `3 x [mamba2, ffn], attention`, as text, as a list, or as lists of texts and lists.

    Raises LayoutError with the place of the item that is not understood.
    """
    if depth > MAX_NESTING:
        raise LayoutError("B0407", f"lists nested more than {MAX_NESTING} deep", path, _FLAT)
    if isinstance(value, str):
        return _parse_text(value, path)
    found: list[Tree] = []
    times: int | None = None
    for index, item in enumerate(value):
        here = (*path, index)
        if isinstance(item, str) and (match := re.fullmatch(r"\s*(\d{1,30})\s*[x×]\s*", item)):
            times = _times(match[1], here)
            continue
        if isinstance(item, str):
            inner = _parse_text(item, here)
        elif isinstance(item, list | tuple):
            inner = parse_literal(item, here, depth + 1)
        else:
            message = f"{str(item)[:40]!r} is not a block, a list, or a repeat"
            raise LayoutError("B0407", message, here, "3 x [mamba2, ffn]")
        if times is None:
            found += inner
        else:
            found.append((times, inner))
            times = None
    if times is not None:
        raise LayoutError("B0407", f"`{times} x` repeats nothing", path, "3 x [mamba2, ffn]")
    return tuple(found)


def _times(digits: str, path: Path) -> int:
    if int(digits) == 0:
        raise LayoutError("B0407", "a repeat of 0 is nothing", path, "leave the blocks out")
    return int(digits)


def _parse_text(text: str, path: Path) -> tuple[Tree, ...]:
    stack: list[tuple[list[Tree], int | None]] = [([], None)]
    position = count = 0
    opened: list[int] = []
    times: int | None = None
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            wrong = text[position:].split(",")[0].strip()
            message = f"{wrong[:40]!r} is not understood in a layout"
            start = len(text) - len(text[position:].lstrip())
            raise LayoutError("B0407", message, path, "3 x [mamba2, ffn]", within=(start, start + len(wrong)))
        position = match.end()
        if match["times"]:
            if times is not None:
                raise LayoutError("B0407", f"`{times} x` repeats nothing", path, "3 x [mamba2, ffn]")
            times = _times(match["times"], path)
        elif match["name"]:
            count += 1
            if count > MAX_LAYERS:
                message = f"more blocks than the {MAX_LAYERS:,} allowed"
                raise LayoutError("B0406", message, path, "repeats are shorter: 3 x [mamba2, ffn]")
            stack[-1][0].append(match["name"] if times is None else (times, (match["name"],)))
            times = None
        elif match["sign"] == "[":
            if len(stack) > MAX_NESTING:
                raise LayoutError("B0407", f"lists nested more than {MAX_NESTING} deep", path, _FLAT)
            stack.append(([], times))
            opened.append(match.start("sign"))
            times = None
        elif match["sign"] == "]":
            if len(stack) == 1:
                at = match.start("sign")
                raise LayoutError(
                    "B0407", "a closing bracket too many", path, "3 x [a, b]", within=(at, at + 1)
                )
            items, repeat = stack.pop()
            opened.pop()
            stack[-1][0].extend(items if repeat is None else [(repeat, tuple(items))])
    if len(stack) > 1:
        at = opened[-1]
        raise LayoutError("B0407", "this bracket is not closed", path, "3 x [a, b]", within=(at, at + 1))
    if times is not None:
        raise LayoutError("B0407", f"`{times} x` repeats nothing", path, "3 x [mamba2, ffn]")
    return tuple(stack[0][0])


def length(tree: Sequence[Tree]) -> int:
    """Number of blocks, in closed form."""
    return sum(1 if isinstance(item, str) else item[0] * length(item[1]) for item in tree)


def names(tree: Sequence[Tree]) -> set[str]:
    """Blocks that a literal layout names."""
    found: set[str] = set()
    for item in tree:
        found |= {item} if isinstance(item, str) else names(item[1])
    return found


def literal(tree: Sequence[Tree], path: Path = ("layers",)) -> Iterator[Placement]:
    """The blocks of a literal layout, repeats written out. Raises LayoutError when there are too many."""
    check_length(length(tree), path)
    return _unroll(tree, "written")


def _unroll(tree: Sequence[Tree], reason: str) -> Iterator[Placement]:
    for item in tree:
        if isinstance(item, str):
            yield Placement(item, reason)
        elif length(item[1]):
            for turn in range(item[0]):
                yield from _unroll(item[1], reason if item[0] == 1 else f"repeat {turn + 1} of {item[0]}")
