"""Keys and values of an earlier block: which block `kv_from` means, and whether it can lend them.

    attention        the nearest earlier block called so
    attention[-2]    the second such block back from here
    attention[0]     the first such block of the stack; layers[3]: block 3 of the stack

A block that borrows itself passes on what it borrows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from blocks.blocktype import Layer
from blocks.reporting import Reporter
from blocks.suggest import did_you_mean
from blocks.validation import Path

_SOURCE = re.compile(r"(?P<name>[A-Za-z_][\w.+-]*)(?:\[(?P<index>-?\d{1,9})\])?")


def lend(layers: Sequence[Layer], stack: str, reporter: Reporter) -> tuple[Layer, ...] | None:
    """The layers with their `kv_source`; None after a problem was reported."""
    wanted = {
        index: (layer.type.kv_from, (*layer.type.origin, "kv_from"))
        for index, layer in enumerate(layers)
        if layer.type.kv_from is not None
    }
    if not wanted:
        return tuple(layers)
    before = reporter.reports
    found = sources(wanted, [layer.type.name for layer in layers], stack, layers[0].path, reporter)
    lent: list[Layer] = []
    owners: dict[int, int] = {}
    for index, layer in enumerate(layers):
        source = found.get(index)
        if source is not None and not (source in wanted and source not in owners):
            owners[index] = owners.get(source, source)
            owner = layers[owners[index]]
            _check_fit(layer, owner, reporter)
            layer = replace(layer, kv_source=owner.path)
        lent.append(layer)
    return tuple(lent) if reporter.reports == before else None


def sources(
    wanted: Mapping[int, tuple[str, Path]], names: Sequence[str], stack: str, first: str, reporter: Reporter
) -> dict[int, int]:
    """Index of a borrowing block -> that of the block which its `kv_from` means, for all that can be found.

    `wanted` has what is written and where, `names` are those of all blocks, `first` is the path of the first one.
    """
    folder = first.rpartition(".")[0]
    places: dict[str, list[int]] = {stack: []}
    found: dict[int, int] = {}
    for index, name in enumerate(names):
        if index in wanted:
            written, at = wanted[index]
            source = _source(written, places, {*names, stack}, at, f"{folder}.{index}", reporter)
            if source is not None:
                found[index] = source
        places.setdefault(name, []).append(index)
        places[stack].append(index)
    return found


def _source(
    written: str, places: Mapping[str, list[int]], names: set[str], at: Path, reader: str, reporter: Reporter
) -> int | None:
    """The index of the layer that `kv_from` means."""
    match = _SOURCE.fullmatch(written.strip())
    if match is None:
        help = "attention, attention[-2], attention[0] or layers[3]"
        reporter.report("B0417", f"{written!r} does not name an earlier block", at, help=help)
        return None
    name, index = match["name"], int(match["index"] or -1)
    earlier = places.get(name, [])
    if -len(earlier) <= index < len(earlier):
        return earlier[index]
    if name not in names:
        near = did_you_mean(name, sorted(names))
        message = f"no block of this stack is called {name!r}"
        help = f"did you mean {near!r}?" if near else f"blocks here: {', '.join(sorted(names))}"
    else:
        count = f"{len(earlier)} stand{'s' * (len(earlier) == 1)}" if earlier else "none stands"
        message = f"{written} would have to stand before {reader}: {count} there"
        help = "keys and values come from an earlier block; let the first block have its own"
    reporter.report("B0417", message, at, label=f"read by {reader}", help=help)
    return None


def _check_fit(layer: Layer, owner: Layer, reporter: Reporter) -> None:
    """Whether the owner lends keys and values, and such that fit."""
    lent, needed = owner.type.mixer.lends(), layer.type.mixer.needs()
    if lent == needed and lent is not None and not owner.type.join:
        return
    if owner.type.join or lent is None:
        message = f"{owner.type.name} has no keys and values that {layer.type.name} could use"
        help = "a block lends them if it is causal attention over all earlier tokens of its stream"
    else:
        borrower, lender = layer.type.name, owner.type.name
        message = (
            f"{borrower} needs keys and values of {_words(needed)}; those of {lender} have {_words(lent)}"
        )
        help = "give both blocks the same key/value heads, channels a head and position"
    reporter.report(
        "B0418", message, (*layer.type.origin, "kv_from"),
        related=((owner.type.origin, "of this block"),), help=help,
    )  # fmt: skip


def _words(kept: tuple[int | str, ...] | None) -> str:
    """What a mixer says of its keys and values, such as `8 heads of 64 channels, rope()`."""
    match kept:
        case (int(heads), int(channels), *more):
            rest = [str(one).removesuffix("()") for one in more]
            return ", ".join([f"{heads} head{'s' * (heads != 1)} of {channels} channels", *rest])
        case _:
            return ", ".join(map(str, kept or ()))
