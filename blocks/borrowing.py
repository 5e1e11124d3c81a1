"""Keys and values of an earlier block: which block `kv_from` means, and whether it can lend them.

    attention        the nearest earlier block called so
    attention[-2]    the second such block back from here
    attention[0]     the first such block of the stack; layers[3]: block 3 of the stack

A block that borrows itself passes on what it borrows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from blocks.blocktype import Layer
from blocks.reporting import Reporter
from blocks.suggest import did_you_mean

_SOURCE = re.compile(r"(?P<name>[A-Za-z_][\w.+-]*)(?:\[(?P<index>-?\d{1,9})\])?")


def lend(layers: Sequence[Layer], stack: str, reporter: Reporter) -> tuple[Layer, ...] | None:
    """The layers with their `kv_source`; None after a problem was reported."""
    if all(layer.type.kv_from is None for layer in layers):
        return tuple(layers)
    places: dict[str, list[int]] = {stack: []}
    owners: dict[int, int] = {}
    found: list[Layer] = []
    before = reporter.reports
    for index, layer in enumerate(layers):
        if layer.type.kv_from is not None:
            source = _source(layer, places, layers, stack, reporter)
            if source is not None:
                owners[index] = owners.get(source, source)
                owner = layers[owners[index]]
                _check_fit(layer, owner, reporter)
                layer = replace(layer, kv_source=owner.path)
        places.setdefault(layer.type.name, []).append(index)
        places[stack].append(index)
        found.append(layer)
    return tuple(found) if reporter.reports == before else None


def _source(
    layer: Layer, places: dict[str, list[int]], layers: Sequence[Layer], stack: str, reporter: Reporter
) -> int | None:
    """The index of the layer that `kv_from` means."""
    written = layer.type.kv_from or ""
    at = (*layer.type.origin, "kv_from")
    match = _SOURCE.fullmatch(written.strip())
    if match is None:
        help = "attention, attention[-2], attention[0] or layers[3]"
        reporter.report("B0417", f"{written!r} does not name an earlier block", at, help=help)
        return None
    name, index = match["name"], int(match["index"] or -1)
    earlier = places.get(name, [])
    if -len(earlier) <= index < len(earlier):
        return earlier[index]
    names = {other.type.name for other in layers} | {stack}
    if name not in names:
        near = did_you_mean(name, names)
        message = f"no block of this stack is called {name!r}"
        help = f"did you mean {near!r}?" if near else f"blocks here: {', '.join(sorted(names))}"
    else:
        count = f"{len(earlier)} stand{'s' * (len(earlier) == 1)}" if earlier else "none stands"
        message = f"{written} would have to stand before {layer.path}: {count} there"
        help = "keys and values come from an earlier block; let the first block have its own"
    reporter.report("B0417", message, at, label=f"read by {layer.path}", help=help)
    return None


def _check_fit(layer: Layer, owner: Layer, reporter: Reporter) -> None:
    """Whether the owner lends keys and values, and such that fit."""
    lent, needed = owner.type.mixer.lends(), layer.type.mixer.needs()
    if lent == needed and lent is not None:
        return
    if owner.type.join or lent is None:
        message = f"{owner.type.name} has no keys and values that {layer.type.name} could use"
        help = "a block lends them if it is causal attention over all earlier tokens of its stream"
    else:
        message = f"{layer.type.name} needs keys and values of {needed}, {owner.type.name} has {lent}"
        help = "give both blocks the same heads and position"
    reporter.report(
        "B0418", message, (*layer.type.origin, "kv_from"),
        related=((owner.type.origin, "of this block"),), help=help,
    )  # fmt: skip
