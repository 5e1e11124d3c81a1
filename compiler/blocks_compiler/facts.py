"""A plan as a sequence of items, blocks and stages alike, each with the facts that give it its meaning.

Facts are read off the fields of the plan's own classes, so that what is added to them is compared as well. What a
recipe merely calls things is no fact: names of blocks and groups, paths, reasons, letters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, NamedTuple

from blocks import Component, Plan
from blocks.blocktype import BlockType, Branch, Layer
from blocks.plan import PlannedStage
from blocks.yaml_text import flow

NAMED = frozenset({"name", "origin", "branches", "share", "kv_from", "entry", "said_norm"})
"""Fields of a block that name something, or are read apart; what `share` and `kv_from` come to is in the layer."""
PLACE = frozenset({"path", "type", "base", "reason", "symbol"})
"""Fields of a layer that say where it stands and what it is; the others are paths of the layers that it depends on."""
WIDTHS = frozenset({"width", "out_width"})
AROUND = frozenset(field.name for field in fields(BlockType))


class Fact(NamedTuple):
    """One fact; `notable` where it is not what it would be if nobody had said anything."""

    name: str
    text: str
    notable: bool = True


@dataclass(frozen=True, slots=True)
class Item:
    """A block or a stage. `mixers` are the registered names; `relations` are paths of other layers, by field."""

    path: str
    role: str
    name: str
    mixers: tuple[str, ...]
    classes: tuple[type, ...]
    facts: tuple[Fact, ...]
    relations: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Meaning:
    """What two items have in common if they mean the same, wherever they stand."""

    stream: int
    role: str
    mixers: tuple[str, ...]
    classes: tuple[type, ...]
    facts: tuple[Fact, ...]
    related: tuple[str, ...]

    @cached_property
    def _hash(self) -> int:
        return hash((self.stream, self.role, self.facts, self.related))

    def __hash__(self) -> int:
        return self._hash


def meanings(plan: Plan) -> tuple[list[Item], list[Meaning]]:
    """The items of a plan in order, and the meaning of each."""
    items: list[Item] = []
    found: list[Meaning] = []
    known: dict[BlockType, Item] = {}
    streams: dict[str, int] = {}
    for stage in plan.stages:
        stream = streams.setdefault(stage.stream, len(streams))
        for item in _items(stage, plan, known):
            related = tuple(name for name, _ in item.relations)
            items.append(item)
            found.append(Meaning(stream, item.role, item.mixers, item.classes, item.facts, related))
    return items, found


def _items(stage: PlannedStage, plan: Plan, known: dict[BlockType, Item]) -> Iterator[Item]:
    if stage.component is not None:
        made = stage.component
        facts = tuple(_flat(stage.role, made, own=True))
        output = (Fact("output", stage.name),) if stage.name else ()
        yield Item(stage.path, stage.role, stage.path, (made.name,), (type(made),), (*facts, *output))
    for layer in stage.layers:
        block = layer.type
        if block not in known:
            parts = [branch.mixer for branch in block.branches]
            names, classes = tuple(part.name for part in parts), tuple(type(part) for part in parts)
            known[block] = Item("", "block", block.name, names, classes, tuple(_block(block, plan)))
        yield replace(known[block], path=layer.path, relations=tuple(_relations(layer)))


def _relations(layer: Layer) -> Iterator[tuple[str, str]]:
    for field in fields(layer):
        value = getattr(layer, field.name)
        if field.name not in PLACE and value:
            yield field.name, str(value)


def _block(block: BlockType, plan: Plan) -> Iterator[Fact]:
    used: dict[str, int] = {}
    for branch in block.branches:
        name = branch.mixer.name
        used[name] = used.get(name, 0) + 1
        prefix = (
            "" if len(block.branches) == 1 else f"{name}." if used[name] == 1 else f"{name}#{used[name]}."
        )
        for fact in _fields(branch):
            taken = not prefix and fact.name in AROUND
            if fact.notable or not taken:
                yield fact._replace(name=f"branch.{fact.name}" if taken else prefix + fact.name)
    for fact in _fields(block):
        if fact.name not in WIDTHS or fact.text != str(plan.sizes.d_model):
            yield fact


def _fields(holder: BlockType | Branch) -> Iterator[Fact]:
    for field in fields(holder):
        value = getattr(holder, field.name)
        if field.name not in NAMED:
            yield from _flat(field.name, value, own=field.name == "mixer", default=field.default)


def _flat(name: str, value: Any, *, own: bool = False, default: Any = ...) -> Iterator[Fact]:
    """A value by name; a component as its name and options, which stand without a prefix if they are the item's own."""
    if not isinstance(value, Component):
        yield Fact(name, said(value), value != default)
        return
    yield Fact(name, value.name)
    prefix = "" if own else f"{name}."
    for option, info in type(value).model_fields.items():
        for fact in _flat(option, getattr(value, option), default=info.default):
            yield fact._replace(name=prefix + fact.name)


def said(value: Any) -> str:
    """A value as a recipe writes it."""
    if value is None or value == "":
        return "none"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else flow(dict(value) if isinstance(value, Mapping) else value)
