"""Saying a plan: the sentence of a recipe whose layout, norms, positions and ties a sentence can express."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from blocks import layout
from blocks.blocktype import BlockType
from blocks.component import Component
from blocks.diagnostics import RecipeError
from blocks.fields import both_ways, position_field
from blocks.layout import LayoutError
from blocks.phrases import Phrasebook
from blocks.plan import Plan, PlannedStream, make_plan
from blocks.recipe import Recipe, Stack
from blocks.registry import Registry
from blocks.same import same_plan
from blocks.wording import essential, phrase_of

MAX_TEXT = 240
"""Characters of a sentence, at most, that is easier to read than the recipe."""
MAX_REPEATS = 2
"""How often, at most, a sentence names the same kind of block."""
MAX_KINDS = 24
"""Kinds of block, at most, of a recipe that has a sentence."""
MAX_LAYER = 8
"""Blocks of a layer, at most, in which a part of the layers is looked for."""


def say(plan: Plan | Recipe, *, registry: Registry | None = None) -> str | None:
    """The sentence of a plan or recipe: it stands for the same blocks at the same sizes. None: it has none.

    What was written as a sentence is its own. The depth is not part of it, but for an encoder and a decoder.
    """
    registry = registry or Registry.installed()
    plan = make_plan(plan, registry=registry) if isinstance(plan, Recipe) else plan
    if isinstance(plan.recipe.model, str):
        return plan.recipe.model
    if len({layer.type for layer in plan.layers}) > MAX_KINDS:
        return None
    for text in dict.fromkeys(_Sayer(plan, registry).sentences()):
        if len(text) > MAX_TEXT:
            continue
        written = sentence_recipe(plan, text)
        try:
            if same_plan(make_plan(written, registry=registry, max_params=plan.parameters + 1), plan):
                return text
        except RecipeError:
            continue
    return None


def sentence_recipe(plan: Plan, text: str) -> Recipe:
    """The recipe of a sentence at the sizes of a plan."""
    depth = len(plan.layers) if len(plan.streams) == 1 else None
    return Recipe(
        recipe=plan.name, about=plan.about, d_model=plan.sizes.d_model, vocab_size=plan.sizes.vocab_size,
        depth=depth, tokenizer=plan.recipe.tokenizer, model=text,
    )  # fmt: skip


class _Sayer:
    """Makes sentences that may stand for a plan; whoever asks looks whether one does."""

    def __init__(self, plan: Plan, registry: Registry) -> None:
        self.plan = plan
        self.book = Phrasebook(registry, {})
        self.kinds = list(dict.fromkeys(layer.type for layer in plan.layers))
        self.stages = {stage.role: stage.component for stage in plan.streams[-1].stages}
        self.encoder = len(plan.streams) == 1 and "head" not in self.stages and self._all_both_ways()
        self.position = self._position()
        self.words: dict[tuple[BlockType, bool], str | None] = {}

    def sentences(self) -> Iterator[str]:
        """Sentences to try, the nicest first."""
        streams = self.plan.streams
        if not self.kinds or len(streams) > 2:
            return
        after = list(self._rest())
        if len(streams) == 1:
            yield from (
                ", ".join(turns + after) for turns, _ in self._turns(streams[0], encodes=self.encoder)
            )
            return
        for turns, size in self._turns(streams[0], encodes=True):
            depths = " + ".join(str(self._layers(stream, size)) for stream in streams)
            yield ", ".join(["encoder-decoder", f"{depths} layers", *turns, *after])

    # Clauses after the blocks

    def _rest(self) -> Iterator[str]:
        first = self.kinds[0]
        deep = first.residual == "post" and first.alpha != 1.0
        names = {"pre": "pre-norm", "post": "post-norm", "sandwich": "sandwich norm", "none": "no residual"}
        norm = first.norm
        if norm is not None or first.residual == "none":
            yield "DeepNorm" if deep else names[first.residual]
        if norm is None:
            yield "no norm"
        elif norm.name != Stack.model_fields["norm"].default or essential(norm, self.plan.sizes):
            yield self._phrase(norm) or "?"
        if self.position is not None:
            yield self._phrase(self.position) or "?"
        join = next((kind.join for kind in self.kinds if kind.join), "sum")
        if join != "sum":
            yield f"joined by {join}"
        if any(kind.share is not None for kind in self.kinds):
            yield "shared"
        if getattr(self.stages.get("embedding"), "scale", None) is not None:
            yield "scaled embeddings"
        if self.encoder:
            yield "encoder-only"
        head = self.stages.get("head")
        if head is None:
            if not self.encoder:
                yield "no head"
            return
        tied = getattr(head, "tied", None)
        size = ("vocab_size",) if getattr(head, "vocab_size", None) == self.plan.sizes.vocab_size else ()
        if head.name != "lm" or essential(head, self.plan.sizes, ("tied", *size)):
            yield self._phrase(head, without=("tied", *size)) or "?"
        if tied:
            yield "tied embeddings"
        elif len(self.plan.streams) > 1 and any(
            getattr(stage.component, "share", None) for stage in self.plan.streams[0].stages
        ):
            yield "shared vocabulary"

    def _position(self) -> Component | None:
        """The position that a clause gives: that of the stream, or the one that all blocks with a slot have."""
        if "position" in self.stages:
            return self.stages["position"]
        found: list[Component | None] = []
        for kind in self.kinds:
            for branch in kind.branches:
                slot = position_field(type(branch.mixer))
                if slot is not None and branch.memory is None:
                    found.append(getattr(branch.mixer, slot))
        given = [position for position in found if position is not None]
        best = max(given, key=given.count, default=None)
        return best if best is not None and 2 * given.count(best) >= len(found) else None

    def _all_both_ways(self) -> bool:
        mixers = [branch.mixer for kind in self.kinds for branch in kind.branches]
        ways = [(mixer, both_ways(type(mixer))) for mixer in mixers]
        return any(options for _, options in ways) and all(
            options is not None and all(getattr(mixer, name) == value for name, value in options.items())
            for mixer, options in ways
        )

    # Blocks

    def _phrase(self, component: Component, without: Sequence[str] = ()) -> str | None:
        return phrase_of(component, self.plan.sizes, self.book, without)

    def _kind(self, kind: BlockType, *, encodes: bool) -> str | None:
        """How a kind of block is said; `encodes`: that it looks both ways need not be."""
        if (kind, encodes) not in self.words:
            parts = [
                self._mixer(branch.mixer, encodes=encodes, cross=bool(branch.memory))
                for branch in kind.branches
            ]
            text = " and ".join(part or "?" for part in parts)
            text = f"parallel {text}" if len(parts) > 1 else text
            self.words[kind, encodes] = None if "?" in text else text
        return self.words[kind, encodes]

    def _mixer(self, mixer: Component, *, encodes: bool, cross: bool) -> str | None:
        cls, without = type(mixer), set[str]()
        slot = position_field(cls)
        in_blocks = self.position is not None and "position" not in self.stages
        say_none = False
        if slot is not None and in_blocks and not cross:
            if getattr(mixer, slot) == self.position:
                without.add(slot)
            say_none = getattr(mixer, slot) is None
        if encodes:
            without |= set(both_ways(cls) or ())
        text = phrase_of(mixer, self.plan.sizes, self.book, tuple(without), no_position=say_none)
        return f"cross-{text}" if cross and text else text

    # Layouts

    def _turns(self, stream: PlannedStream, *, encodes: bool) -> Iterator[tuple[list[str], int]]:
        """The clauses that say which blocks: in turns, with scattered ones, in parts of the layers; blocks a layer."""
        layers = list(chain.from_iterable(stage.layers for stage in stream.stages))
        names = [self._kind(layer.type, encodes=encodes) for layer in layers]
        if any(name is None for name in names) or not names:
            return
        said = [name or "" for name in names]
        for size in range(1, min(MAX_LAYER, len(said)) + 1):
            if (
                len(said) % size == 0
                and said == said[:size] * (len(said) // size)
                and len(set(said[:size])) == size
            ):
                yield [_list(said[:size])], size
                return
        yield from self._scattered(said)
        yield from self._parts(said)

    def _scattered(self, said: Sequence[str]) -> Iterator[tuple[list[str], int]]:
        for name in dict.fromkeys(said):
            count = said.count(name)
            rest = [other for other in said if other != name]
            members = list(dict.fromkeys(rest[:MAX_LAYER]))
            scatter: dict[str, int | str] = {name: count}
            if len(members) > 1:
                scatter["before"] = members[-1]
            try:
                placed = [placement.block for placement in layout.weave(len(said), members, scatter)]
            except LayoutError:
                continue
            if placed == said:
                share = self._asked(count, len(said))
                turns = _list(members)
                yield [f"{share} {name}", f"interleaved {turns}" if len(members) > 1 else turns], 1

    def _asked(self, count: int, depth: int) -> str:
        """The share that the recipe asked for, or else the count."""
        for stages in self.plan.canonical.streams.values():
            for stage in stages:
                for value in (stage.stack.scatter or {}).values() if stage.stack is not None else ():
                    if (
                        isinstance(value, str)
                        and "%" in value
                        and layout.scattered(value, depth, ()) == count
                    ):
                        return value
        return str(count)

    def _parts(self, said: Sequence[str]) -> Iterator[tuple[list[str], int]]:
        """Layers that are alike but for one block: `A in 3 of 4 layers, B in the others and C`."""
        for size in range(1, MAX_LAYER + 1):
            if len(said) % size or len(said) <= size:
                continue
            columns = [said[start::size] for start in range(size)]
            parts = [_part(column) for column in columns]
            found = [part for part in parts if part is not None]
            if len(found) < len(parts) or sum(part[2] > 1 for part in found) != 1:
                continue
            named = [name for first, _, whole, second in found for name in (first, second)[: 1 + (whole > 1)]]
            if max(map(named.count, named)) > MAX_REPEATS:
                continue
            for others in (False, True):
                clauses = []
                for first, some, whole, second in found:
                    if whole == 1:
                        clauses.append(first)
                        continue
                    clauses.append(f"{first} in {some} of {whole} layers")
                    clauses += [f"{second} in the others"] if others else []
                yield [_list(clauses)], size

    def _layers(self, stream: PlannedStream, size: int) -> int:
        """Layers of a stream with `size` blocks, besides those that read another stream."""
        layers = chain.from_iterable(stage.layers for stage in stream.stages)
        return sum(not layer.type.memories for layer in layers) // size


def _part(column: Sequence[str]) -> tuple[str, int, int, str] | None:
    """First, how many of it, of how many, second: of a column that repeats; the same one throughout is 1 of 1."""
    first = column[0]
    some = next((index for index, name in enumerate(column) if name != first), len(column))
    if some == len(column):
        return first, 1, 1, ""
    second = column[some]
    whole = next((index for index in range(some, len(column)) if column[index] == first), len(column))
    fits = all(name == (first if index % whole < some else second) for index, name in enumerate(column))
    return (first, some, whole, second) if fits else None


def _list(parts: Sequence[str]) -> str:
    """`A, B and C`; a block that runs in parallel ends at a comma."""
    if len(parts) == 1:
        return parts[0]
    if any(part.startswith("parallel ") for part in parts[:-1]):
        return ", ".join(parts)
    return ", ".join(parts[:-1]) + " and " + parts[-1]
