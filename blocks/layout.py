"""Layouts: from `interleave`, `scatter`, `cycle`, `pattern` or `layers` to the explicit list of blocks.

All arithmetic is exact, and the number of blocks is known before a single one is placed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias, Union

from blocks.expressions import ExpressionError, share

MAX_LAYERS = 100_000
MAX_NESTING = 64

Path: TypeAlias = tuple[str | int, ...]


class LayoutError(ValueError):
    """A layout that cannot work out; `path` is the place inside the stack."""

    def __init__(self, code: str, message: str, path: Path, help: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.path, self.help = code, message, path, help


@dataclass(frozen=True, slots=True)
class Placement:
    """One block of the list: its name in the vocabulary, and why it stands here."""

    block: str
    reason: str


def check_length(length: int, path: Path, limit: int = MAX_LAYERS) -> None:
    """Refuse a layout that is too long before it is laid out. Raises LayoutError."""
    if length > limit:
        raise LayoutError("B0406", f"{length:,} blocks are more than the {limit:,} allowed", path)


# Woven --------------------------------------------------------------------------------------------


def scattered(value: int | str, depth: int, path: Path) -> int:
    """Number of scattered blocks: a count, or a share of the depth rounded half to even."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise LayoutError("B0203", "a share such as 8% or a count is expected here", path)
    if isinstance(value, int):
        count = value
    else:
        try:
            count = round(share(value) * depth)
        except ExpressionError as error:
            raise LayoutError(error.code, error.message, path, error.help) from None
    if not 0 <= count <= depth:
        raise LayoutError("B0402", f"{count} of {depth} blocks cannot be scattered", path)
    return count


def nearest_depths(fits: Callable[[int], bool], depth: int, limit: int = 1000) -> list[int]:
    """The nearest depths below and above `depth` that fit, nearest first."""
    found = []
    for sign in (-1, 1):
        for step in range(1, limit):
            candidate = depth + sign * step
            if candidate >= 1 and fits(candidate):
                found.append(candidate)
                break
    return sorted(found, key=lambda d: (abs(d - depth), d))


def weave(
    depth: int, members: Sequence[str], scatter: Mapping[str, Any] | None = None
) -> Iterator[Placement]:
    """Blocks that take turns, with other blocks spread evenly among them.

    With `before: m`, the k-th of K scattered blocks stands in group number floor(k n / (K + 1)) of the n
    woven groups, directly before member m (k and groups count from 1). Without, it stands at index
    floor(k s + 1/2) + k - 1 from 0, s = (L - K) / (K + 1), as Megatron-LM spreads hybrid attention.
    Raises LayoutError, before the first block is yielded, for arithmetic that does not work out.
    """
    check_length(depth, ("depth",))
    options = dict(scatter or {})
    before = options.pop("before", None)
    if scatter is not None and len(options) != 1:
        help = "scatter: {attention: 8%}"
        raise LayoutError("B0403", "scatter names exactly one block", ("scatter",), help)
    name, value = next(iter(options.items())) if options else ("", 0)
    size = len(members)

    def leftover(length: int) -> int:
        return (length - scattered(value, length, ("scatter", name))) % size

    count = scattered(value, depth, ("scatter", name))
    if leftover(depth):
        fits = nearest_depths(lambda d: _fits(leftover, d), depth)
        rest = f" besides {count} {name}" if count else ""
        raise LayoutError(
            "B0401",
            f"{depth - count} layers{rest} cannot alternate {size} blocks"
            if count
            else f"{depth} layers cannot alternate {size} blocks",
            ("depth",),
            f"the nearest depths that work are {' and '.join(map(str, fits))}" if fits else None,
        )
    if before is not None and before not in members:
        raise LayoutError(
            "B0404",
            f"{before!r} is not one of the interleaved blocks",
            ("scatter", "before"),
            f"one of {', '.join(members)}",
        )
    groups = (depth - count) // size
    if before is not None:
        if count >= groups and count:
            raise LayoutError(
                "B0402",
                f"{count} scattered blocks need at least {count + 1} groups of {size} to stand in; "
                f"depth {depth} leaves {groups}",
                ("scatter", name),
                "scatter fewer, leave out `before`, or write the pattern out",
            )
        return _weave_before(members, members.index(before), name, count, groups)
    return _weave_evenly(members, name, count, depth)


def _fits(leftover: Callable[[int], int], depth: int) -> bool:
    try:
        return leftover(depth) == 0
    except LayoutError:
        return False


def _weave_before(
    members: Sequence[str], slot: int, name: str, count: int, groups: int
) -> Iterator[Placement]:
    place = {k * groups // (count + 1): k for k in range(1, count + 1)}
    for group in range(1, groups + 1):
        for index, member in enumerate(members):
            if index == slot and (k := place.get(group)):
                formula = f"floor({k}·{groups}/{count + 1})"
                yield Placement(name, f"{k} of {count} scattered: group {group} = {formula}, before {member}")
            yield Placement(member, f"{index + 1} of {len(members)} in group {group} of {groups}")


def _weave_evenly(members: Sequence[str], name: str, count: int, depth: int) -> Iterator[Placement]:
    step = Fraction(depth - count, count + 1)
    place = {int(k * step + Fraction(1, 2)) + k - 1: k for k in range(1, count + 1)}
    woven = 0
    for index in range(depth):
        if k := place.get(index):
            formula = f"floor({k}·{step} + 1/2) + {k} - 1"
            yield Placement(name, f"{k} of {count} scattered evenly: index {index} = {formula}")
        else:
            group, turn = divmod(woven, len(members))
            yield Placement(members[turn], f"{turn + 1} of {len(members)} in group {group + 1}")
            woven += 1


# Cycled -------------------------------------------------------------------------------------------


def cycle(depth: int, members: Sequence[str]) -> Iterator[Placement]:
    """Blocks repeated in order until the depth is reached; the last round may stay incomplete."""
    check_length(depth, ("depth",))
    size = len(members)
    return (
        Placement(members[i % size], f"{i % size + 1} of {size} in round {i // size + 1}")
        for i in range(depth)
    )


# Pattern strings ----------------------------------------------------------------------------------


def from_pattern(pattern: str, symbols: Mapping[str, str]) -> Iterator[Placement]:
    """One letter a block. Raises LayoutError that lists every unknown letter."""
    check_length(len(pattern), ("pattern",))
    unknown = sorted(set(pattern) - set(symbols))
    if unknown:
        known = ", ".join(f"{letter} = {block}" for letter, block in symbols.items())
        raise LayoutError(
            "B0405",
            f"no block for {', '.join(map(repr, unknown))} in the pattern",
            ("pattern",),
            f"known letters: {known}" if known else "name the letters with `symbols: {M: mamba2}`",
        )
    return (
        Placement(symbols[s], f"letter {i} of the pattern, {s!r}") for i, s in enumerate(pattern, start=1)
    )


# Literal ------------------------------------------------------------------------------------------

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
        raise LayoutError("B0407", f"lists nested more than {MAX_NESTING} deep", path)
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
    position = 0
    times: int | None = None
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            wrong = text[position:].split(",")[0].strip()
            message = f"{wrong[:40]!r} is not understood in a layout"
            raise LayoutError("B0407", message, path, "3 x [mamba2, ffn]")
        position = match.end()
        if match["times"]:
            if times is not None:
                raise LayoutError("B0407", f"`{times} x` repeats nothing", path, "3 x [mamba2, ffn]")
            times = _times(match["times"], path)
        elif match["name"]:
            stack[-1][0].append(match["name"] if times is None else (times, (match["name"],)))
            times = None
        elif match["sign"] == "[":
            if len(stack) > MAX_NESTING:
                raise LayoutError("B0407", f"lists nested more than {MAX_NESTING} deep", path)
            stack.append(([], times))
            times = None
        elif match["sign"] == "]":
            if len(stack) == 1:
                raise LayoutError("B0407", "a closing bracket too many", path)
            items, repeat = stack.pop()
            stack[-1][0].extend(items if repeat is None else [(repeat, tuple(items))])
    if len(stack) > 1:
        raise LayoutError("B0407", "a bracket is not closed", path)
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


# Selectors ----------------------------------------------------------------------------------------

_SELECTOR = re.compile(
    r"(?P<name>[A-Za-z_][\w.+-]*)(?:\[(?P<start>-?\d{1,9})?(?P<colon>:(?P<stop>-?\d{1,9})?)?\])?"
)


def select(selector: str, blocks: Sequence[str], stack: str = "layers") -> list[int]:
    """Indices that a selector names: `attention[-1]`, `attention`, `layers[0:4]`; Python's rules for indices.

    Raises LayoutError for a selector that is not understood or selects nothing.
    """
    path: Path = ("override", selector)
    match = _SELECTOR.fullmatch(selector.strip())
    if match is None:
        help = "attention[-1], layers[0:4], or ffn"
        raise LayoutError("B0408", f"{selector!r} is not a selector", path, help)
    found = [i for i, block in enumerate(blocks) if match["name"] in (block, stack)]
    if match["colon"]:
        start, stop = (int(match[g]) if match[g] else None for g in ("start", "stop"))
        chosen = found[start:stop]
    elif match["start"]:
        index = int(match["start"])
        chosen = found[index : index + 1 or None] if -len(found) <= index < len(found) else []
    else:
        chosen = found if "[" not in selector else []
    if not chosen:
        name = match["name"]
        count = f"there are {len(found)} of {name!r}" if found else f"no block is called {name!r}"
        known = ", ".join(sorted({stack, *blocks}))
        raise LayoutError("B0409", f"{selector!r} selects nothing: {count}", path, f"names here: {known}")
    return chosen
