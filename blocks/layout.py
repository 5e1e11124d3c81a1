"""Layouts: from `interleave`, `scatter`, `cycle` or `pattern` to the explicit list of blocks.

All arithmetic is exact, and the number of blocks is known before a single one is placed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

from blocks.expressions import ExpressionError, share
from blocks.suggest import did_you_mean

MAX_LAYERS = 100_000

Path: TypeAlias = tuple[str | int, ...]


class LayoutError(ValueError):
    """A layout that cannot work out.

    `path` is the place inside the stack, `within` characters of the text there, `related` further places.
    """

    def __init__(
        self,
        code: str,
        message: str,
        path: Path,
        help: str | None = None,
        *,
        within: tuple[int, int] | None = None,
        related: tuple[tuple[Path, str], ...] = (),
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.path, self.help = code, message, path, help
        self.within, self.related = within, related


@dataclass(frozen=True, slots=True)
class Placement:
    """One block of the list: its name in the vocabulary, and why it stands here."""

    block: str
    reason: str


def check_length(length: int, path: Path, limit: int = MAX_LAYERS) -> None:
    """Refuse a layout that is too long before it is laid out. Raises LayoutError."""
    if length > limit:
        message = f"{length:,} blocks are more than the {limit:,} allowed"
        raise LayoutError("B0406", message, path, "a model has some dozens: look for a zero too many")


# Woven --------------------------------------------------------------------------------------------


def scattered(value: float | str, depth: int, path: Path) -> int:
    """Number of scattered blocks: a count, or a share of the depth rounded half to even."""
    if isinstance(value, float):
        raise LayoutError(
            "B0308", f"{value:g} is not a share", path, f"a percentage, such as {100 * value:g}%, or a count"
        )
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise LayoutError("B0203", "a share such as 8% or a count is expected here", path)
    if isinstance(value, int):
        count = value
    else:
        try:
            wanted = share(value) * depth
        except ExpressionError as error:
            raise LayoutError(error.code, error.message, path, error.help) from None
        count = round(wanted)
        if wanted and not count:
            raise LayoutError(
                "B0402",
                f"{value} of {depth} blocks is {float(wanted):.2g} of a block, which rounds to none",
                path,
                f"at least {100 // (2 * depth) + 1}%, or a count such as 1",
                related=((("depth",), f"{depth} in all"),),
            )
    if not 0 <= count <= depth:
        raise LayoutError(
            "B0402",
            f"{count} of {depth} blocks cannot be scattered",
            path,
            f"a count up to {depth}, or a share such as 8%",
            related=((("depth",), f"{depth} in all"),),
        )
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
        misspelt = next((key for key in options if did_you_mean(key, ("before",)) == "before"), None)
        help = f"did you mean 'before' with {misspelt!r}?" if misspelt else "scatter: {attention: 8%}"
        raise LayoutError("B0403", "scatter names exactly one block", ("scatter",), help)
    name, value = next(iter(options.items())) if options else ("", 0)
    size = len(members)
    if name in members:
        raise LayoutError(
            "B0403",
            f"{name} is scattered among blocks that it is one of",
            ("scatter", name),
            "scatter a block that is not interleaved, or leave out scatter",
            related=((("interleave",), "it takes turns here"),),
        )

    def leftover(length: int) -> int:
        return (length - scattered(value, length, ("scatter", name))) % size

    count = scattered(value, depth, ("scatter", name))
    if count and count == depth:
        raise LayoutError(
            "B0402",
            f"all {depth} blocks are scattered ones, and none is left for {', '.join(members)}",
            ("scatter", name),
            f"cycle: [{name}] for {name} alone, or a smaller share",
            related=((("interleave",), "these stand nowhere"),),
        )
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
            related=(
                (("interleave",), f"{size} take turns"),
                *(((("scatter", name), f"{count} of {depth}"),) if count else ()),
            ),
        )
    if before is not None and before not in members:
        raise LayoutError(
            "B0404",
            f"{before!r} is not one of the interleaved blocks",
            ("scatter", "before"),
            f"one of {', '.join(members)}",
            related=((("interleave",), "these take turns"),),
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
        first = min(map(pattern.index, unknown))
        raise LayoutError(
            "B0405",
            f"no block for {', '.join(map(repr, unknown))} in the pattern",
            ("pattern",),
            f"known letters: {known}" if known else "name the letters with `symbols: {M: mamba2}`",
            within=(first, first + 1),
        )
    return (
        Placement(symbols[s], f"letter {i} of the pattern, {s!r}") for i, s in enumerate(pattern, start=1)
    )
