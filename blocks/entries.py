"""The vocabulary of a sentence: an entry of `blocks:` for each kind of block that it names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from blocks.clauses import Reading
from blocks.component import Component, Mixer, Position
from blocks.diagnostics import PluginError
from blocks.fields import both_ways, family, fold, instance, position_field, slot_kind
from blocks.options import slot_of
from blocks.phrases import Meaning
from blocks.recipe import Block, Recipe, Stack
from blocks.resolve import Resolver
from blocks.said import DEFAULT, Range, Said


@dataclass(frozen=True, slots=True)
class Use:
    """How a stream uses its blocks: what their names begin with, whether they look both ways, what they read."""

    prefix: str = ""
    both_ways: bool = False
    memory: str = ""


class Entries:
    """Enters blocks into `blocks`; `aliases` of the resolver then leads from them to the sentence."""

    def __init__(self, written: Recipe, resolver: Resolver, reading: Reading) -> None:
        self.written, self.resolver, self.reading = written, resolver, reading
        self.blocks: dict[str, Block] = dict(written.blocks)
        self.position_taken = False
        self._refused: set[Range] = set()
        settled = reading.settled
        self.position = settled.get("position")
        norm = settled.get("norm")
        self.norm: Any = Stack.model_fields["norm"].default
        if norm is not None:
            self.norm = slot_of(norm) if norm.meaning.value is not None else "none"
        self.inner_norm = self.norm if self.norm != "none" else Stack.model_fields["norm"].default
        self.shared = settled.get("shared")

    def enter(self, said: Said, use: Use, *, alone: bool = True) -> str:
        """The name of what was said, which is entered if need be; `alone` unless it is a branch of another block."""
        cls = self.mixer_of(said)
        given: dict[str, Any] = {"mixer": str(said.meaning.value), **self._options(said, cls)}
        named = said.meaning.kind == "block"
        if named:
            given = self.blocks[str(said.meaning.value)].model_dump(exclude_unset=True)
        places = dict(said.places)
        before = dict(given)
        memory = use.memory if said.cross else ""
        prefix = "cross" if memory else ""
        if cls is not None:
            self._position(said, cls, given, places, reads=bool(memory))
            if use.both_ways:
                ways = self._both_ways(said, cls)
                given |= ways
                places |= dict.fromkeys(ways, self.reading.settled["form"].range)
                prefix = use.prefix if ways else ""
        if memory:
            given["memory"] = memory
        shared = said.shared or (self.shared.range if self.shared is not None else None)
        if shared is not None and alone:
            given["share"], places["share"] = True, shared
        if named and not prefix:
            name = str(said.meaning.value)
            if given != before:
                self._set(name, given, said.range, {k: v for k, v in places.items() if k not in before})
            return name
        return self._named(said.meaning, given, said.range, places, prefix)

    def enter_group(self, members: Sequence[Said], place: Range, use: Use) -> str:
        """The name of a block whose branches run in parallel."""
        given: dict[str, Any] = {"parallel": [self.enter(said, use, alone=False) for said in members]}
        join = self.reading.settled.get("join")
        places = {}
        if join is not None:
            given["join"], places["join"] = join.meaning.value, join.range
        if self.shared is not None:
            given["share"], places["share"] = True, self.shared.range
        return self._named(Meaning("parallel", "parallel"), given, place, places, "")

    def mixer_of(self, said: Said) -> type[Component] | None:
        """The class of what was said; None where it cannot be found, which planning reports."""
        if said.meaning.component is not None:
            return said.meaning.component
        block = self.written.blocks.get(str(said.meaning.value))
        try:
            found = (
                self.resolver.registry.find("mixer", block.mixer).load()
                if block is not None and block.mixer is not None
                else None
            )
        except PluginError:
            return None
        return found if isinstance(found, type) and issubclass(found, Component) else None

    def reads_others(self, said: Said) -> bool:
        """Whether what was said can read another stream."""
        cls = self.mixer_of(said)
        made = instance(cls, self._options(said, cls, slots=False)) if cls is not None else None
        return isinstance(made, Mixer) and "cross" in made.capabilities()

    def needs_memory(self, said: Said) -> bool:
        """Whether what was said reads another stream always."""
        cls = self.mixer_of(said)
        made = instance(cls, self._options(said, cls, slots=False)) if cls is not None else None
        return made is not None and any(wrong.field == "memory" for wrong in made.check(self.resolver.sizes))

    def unwindowed(self, said: Said) -> Said | None:
        """The same block without its window, of its own mixer or the one that it specialises; None: there is none."""
        cls = said.meaning.component
        meaning: Meaning | None = said.meaning
        if cls is None or "window" not in cls.model_fields:
            return None
        if cls.model_fields["window"].default is not None:
            wide = [c for c in cls.__mro__[1:] if "window" in getattr(c, "model_fields", ())]
            meaning = next((found for c in wide for found in [self.reading.book.mixer(c)] if found), None)
            if meaning is None:
                return None
        options = {k: v for k, v in said.options.items() if k != "window"}
        places = {k: v for k, v in said.places.items() if k != "window"}
        assert meaning is not None
        return replace(said, meaning=replace(meaning, options={}), options=options, places=places, part=None)

    def for_memory(self, said: Said) -> Said:
        """The same block reading another stream: without a window, and without an order that both would have."""
        wide = self.unwindowed(said) or said
        slot = position_field(said.meaning.component) if said.meaning.component is not None else None
        return replace(
            wide, cross=True, options={k: v for k, v in wide.options.items() if k != slot}, part=None
        )

    # Options

    def _options(self, said: Said, cls: type[Component] | None, *, slots: bool = True) -> dict[str, Any]:
        found = dict(said.options)
        for name, value in said.options.items():
            kind = slot_kind(cls, name) if cls is not None else None
            if kind and not slots:
                del found[name]
            elif value is DEFAULT:
                found[name] = (
                    self.inner_norm if kind == "norm" else slot_of(self.position) if self.position else "none"
                )
        return found

    def _position(
        self,
        said: Said,
        cls: type[Component],
        given: dict[str, Any],
        places: dict[str, Range],
        *,
        reads: bool,
    ) -> None:
        """Put the position of the sentence into a slot for it that says nothing else."""
        position, slot = self.position, position_field(cls)
        if position is None or slot is None or position.meaning.component is None or in_stream(position):
            return
        if reads:  # queries and keys of two streams have no common order
            return
        self.position_taken = True
        if slot not in given:
            given[slot], places[slot] = slot_of(position), position.range

    def _both_ways(self, said: Said, cls: type[Component]) -> dict[str, Any]:
        options = both_ways(cls)
        if options is None and said.range not in self._refused:
            self._refused.add(said.range)
            form = self.reading.settled["form"]
            name, wish = self.reading.slice(said.range), self.reading.slice(form.range)
            self.reading.report(
                "B0507", f"{name} looks back only, and {wish!r} wants every block to look both ways", said.range,
                "name blocks that can, such as attention", (form.range, "asked for here"),
            )  # fmt: skip
        for name, value in (options or {}).items():
            if said.options.get(name, value) != value and said.range not in self._refused:
                self._refused.add(said.range)
                form, where = self.reading.settled["form"], said.places.get(name, said.range)
                asked, text = self.reading.slice(form.range), self.reading.slice(where)
                self.reading.report(
                    "B0502", f"{text!r} contradicts {asked!r}, whose encoder looks both ways", where,
                    "leave one of them out", (form.range, "asked for here"),
                )  # fmt: skip
        return {name: value for name, value in (options or {}).items() if name not in said.options}

    # Names

    def _named(
        self, meaning: Meaning, given: dict[str, Any], place: Range, places: Mapping[str, Range], prefix: str
    ) -> str:
        block = Block.model_validate(given)
        for name, other in self.blocks.items():
            if name not in self.written.blocks and other == block:
                return name
        name = _free_name(meaning, self.blocks, prefix)
        self._set(name, given, place, places)
        return name

    def _set(self, name: str, given: dict[str, Any], place: Range, places: Mapping[str, Range]) -> None:
        self.blocks[name] = Block.model_validate(given)
        aliases = self.resolver.aliases
        if name not in self.written.blocks:
            aliases["blocks", name] = place
        for option, where in places.items():
            aliases["blocks", name, option] = where


def in_stream(position: Said) -> bool:
    """Whether a position is added to the embeddings."""
    cls = position.meaning.component
    return cls is None or not issubclass(cls, Position) or cls.where == "stream"


def is_attention(cls: type[Component] | None) -> bool:
    """Whether a mixer compares tokens with each other."""
    return cls is not None and family(cls) == "attention"


def _free_name(meaning: Meaning, blocks: Mapping[str, Block], prefix: str) -> str:
    """A readable name: the noun of the phrase, else the registered name, else that with a number."""
    registered = re.sub(r"\W", "_", str(meaning.value).rpartition(":")[2])
    phrases = meaning.component.__dict__.get("phrases", ()) if meaning.component is not None else ()
    noun = fold(phrases[0].split()[-1]) if phrases and phrases[0].split() else ""
    bases = [name for name in (noun, registered) if name and name.isascii() and not name[0].isdigit()]
    head = f"{prefix}_" if prefix else ""
    candidates = [head + name for name in bases]
    candidates += [f"{head}{registered}_{n}" for n in range(2, len(blocks) + 3)]
    return next(name for name in candidates if name not in blocks)
