"""The sentence form: `8% attention, interleaved Mamba-2 and FFN, pre-norm, RoPE` and what it stands for.

docs/sentences.md has the grammar. A sentence is clauses in any order and any case; `blocks.clauses` reads them,
and this file makes the stages of one stream, or of an encoder and a decoder, of what they say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from blocks.agreement import alone, clauses_agree, no_cross
from blocks.clauses import Reading
from blocks.entries import Entries, Use, in_stream
from blocks.fields import choices
from blocks.layout import nearest_depths
from blocks.options import slot_of
from blocks.recipe import Recipe, Stack, Stage
from blocks.resolve import Resolver
from blocks.rounds import Element, elements, round_length, streams
from blocks.said import Count, Range, Said
from blocks.validation import Path

ENCODER, DECODER = "encoder", "decoder"
SHARED = "vocabulary"
"""The group of embeddings that are one table."""


def expand(recipe: Recipe, resolver: Resolver) -> Recipe | None:
    """The recipe that a sentence stands for, or the recipe itself; None after problems were reported.

    `resolver.aliases` then leads from the paths of the new recipe to the characters of the sentence.
    """
    if not isinstance(recipe.model, str):
        return recipe
    before = len(resolver.problems)
    reading = Reading(recipe, resolver)
    reading.read()
    made = _Maker(recipe, resolver, reading).recipe() if len(resolver.problems) == before else None
    return made if len(resolver.problems) == before else None


class _Maker:
    """Makes the recipe of what was said."""

    def __init__(self, recipe: Recipe, resolver: Resolver, said: Reading) -> None:
        self.written, self.resolver, self.said = recipe, resolver, said
        resolver.aliases.clear()
        self.entries = Entries(recipe, resolver, said)
        self.settled = said.settled
        form = said.settled.get("form")
        self.form = str(form.meaning.value) if form is not None else "decoder"
        self.layer: list[Element] = []

    def recipe(self) -> Recipe | None:
        """The recipe that was said."""
        self._sizes()
        found = elements(self.said, self.entries)
        if found is None:
            return None
        self.layer = found
        clauses_agree(self.said, self.layer, self.written)
        model: Any
        if self.form == "encoder-decoder":
            model = self._two_streams()
        else:
            if not no_cross(self.said, self.layer):
                return None
            model = self._stream(Use(both_ways=self.form == "encoder"), ("model",), self._count(0), head=True)
        position = self.settled.get("position")
        if position is not None and not in_stream(position) and not self.entries.position_taken:
            phrase = self.said.slice(position.range)
            assert self.said.turns_range is not None
            self.said.report(
                "B0502", f"none of the blocks has a place for {phrase}", position.range,
                f"leave {phrase} out, or add attention", (self.said.turns_range, "no queries and keys here"),
            )  # fmt: skip
        return self.written.model_copy(update={"blocks": self.entries.blocks, "model": model})

    # Sizes

    def _sizes(self) -> None:
        """Take the sizes that the sentence gives. Reports those that the recipe gives differently."""
        given: dict[str, tuple[int, Range]] = {}
        sizes = self.resolver.sizes
        for size in self.said.sizes:
            text, known = self.said.slice(size.range), getattr(sizes, size.name)
            if size.name in given and given[size.name][0] != size.value:
                first = (given[size.name][1], "said here first")
                self.said.report(
                    "B0504", f"{text!r} contradicts what was said", size.range, "keep one of them", first
                )
            elif known is not None and known != size.value:
                self.resolver.report(
                    "B0504", f"{text!r}, but {size.name} is {known:,}", ("model",), within=size.range,
                    help="keep one of them", related=(((size.name,), f"{size.name} is set here"),),
                )  # fmt: skip
            given.setdefault(size.name, (size.value, size.range))
        vocabulary = given.get("vocab_size")
        if vocabulary is not None and sizes.vocab_size is None:
            self.resolver.sizes = replace(sizes, vocab_size=vocabulary[0])
            self.resolver.names["vocab_size"] = vocabulary[0]

    def _count(self, stream: int, blocks: int | None = None) -> tuple[int, Range] | None:
        """The number of blocks that the sentence gives a stream of `blocks` a layer; None: it gives none."""
        counts = self.said.counts
        if not counts:
            return None
        first = counts[0]
        for other in counts[1:]:
            if (other.numbers, other.unit) != (first.numbers, first.unit):
                text = self.said.slice(other.range)
                where = (first.range, "said here first")
                self.said.report("B0504", f"{text!r} contradicts {self.said.slice(first.range)!r}", other.range,
                                 "keep one of them", where)  # fmt: skip
        self._check_count(first)
        number = max(1, first.numbers[min(stream, len(first.numbers) - 1)])
        return number * (1 if first.unit == "blocks" else blocks or len(self.layer)), first.range

    def _check_count(self, count: Count) -> None:
        text = self.said.slice(count.range)
        two = self.form == "encoder-decoder"
        if len(count.numbers) > 1 and not two:
            self.said.report("B0511", f"{text!r} are an encoder's and a decoder's", count.range,
                             f"encoder-decoder, {text}; or one number")  # fmt: skip
        elif count.unit == "layers" and self.said.scattered:
            self.said.report(
                "B0505", f"{text!r} could count the scattered blocks or not", count.range,
                f"count blocks: {count.numbers[0]} blocks", (self.said.scattered[0].range, "scattered"),
            )  # fmt: skip
        elif count.unit == "blocks" and two:
            self.said.report(
                "B0505", "an encoder's layers have fewer blocks than a decoder's, so blocks cannot be counted together",
                count.range, "count layers: 6 + 6 layers",
            )  # fmt: skip
        elif not all(0 < number <= 10**6 for number in count.numbers):
            self.said.report("B0504", f"{text!r} is no depth", count.range, "at least one layer")

    # Streams

    def _two_streams(self) -> dict[str, list[Stage]] | None:
        form = self.settled["form"].range
        if not self.said.counts:
            self.said.report(
                "B0505", "a depth does not say how many layers the encoder has and how many the decoder", form,
                "6 + 6 layers",
            )  # fmt: skip
            return None
        if self.said.scattered:
            self.said.report(
                "B0502", "a sentence scatters no blocks in an encoder and a decoder", self.said.scattered[0].range,
                "in 1 of 8 layers", (form, "two streams"),
            )  # fmt: skip
            return None
        members = [element.members[0] for element in self.layer if len(element.members) == 1]
        if not any(said.cross or self.entries.reads_others(said) for said in members):
            assert self.said.turns_range is not None
            self.said.report(
                "B0507", "none of the blocks can read the encoder", self.said.turns_range,
                "add attention, or cross-attention", (form, "the decoder reads the encoder"),
            )  # fmt: skip
            return None
        if all(element.members[0].cross for element in self.layer):
            self.said.report(
                "B0507", "all blocks read the encoder, and it has none of its own", self.said.turns_range,
                "add blocks that both have, such as FFN", (form, "two streams"),
            )  # fmt: skip
            return None
        crosses = [element.members[0] for element in self.layer if element.members[0].cross]
        if crosses and alone(self.said, self.layer, self.entries, crosses[0]):
            return None
        encoder = Use(ENCODER, both_ways=True)
        decoder = Use(memory=ENCODER)
        per_layer = [
            len(streams(self.layer, self.entries, use)) // round_length(self.layer)
            for use in (encoder, decoder)
        ]
        depths = [self._count(index, per_layer[index]) for index in (0, 1)]
        known = self.resolver.sizes.depth
        total = sum(depth[0] for depth in depths if depth is not None)
        if known is not None and known != total:
            self._depth_differs(known, total)
        return {
            ENCODER: self._stream(encoder, ("model", ENCODER), depths[0], head=False),
            DECODER: self._stream(decoder, ("model", DECODER), depths[1], head=True),
        }

    def _stream(self, use: Use, at: Path, depth: tuple[int, Range] | None, *, head: bool) -> list[Stage]:
        """The stages of a stream."""
        aliases, settled = self.resolver.aliases, self.settled
        stages = [_stage("embed", self._embedding((*at, 0, "embed")))]
        position, norm = settled.get("position"), settled.get("norm")
        if position is not None and position.meaning.component is not None and in_stream(position):
            aliases[(*at, 1, "position")] = position.range
            stages.append(_stage("position", slot_of(position)))
        stack = self._stack(use, (*at, len(stages), "stack"), depth)
        stages.append(_stage("stack", stack))
        if stack.residual in ("pre", "sandwich") and stack.norm != "none":
            if norm is not None:
                aliases[(*at, len(stages), "norm")] = norm.range
            stages.append(_stage("norm", stack.norm))
        made = self._head((*at, len(stages), "head")) if head else None
        return [*stages, _stage("head", made)] if made is not None else stages

    def _embedding(self, at: Path) -> Any:
        """The token embedding, scaled as by Vaswani et al. 2017 (section 3.4), one table of two streams."""
        tied, shared = self.settled.get("tied"), self.settled.get("vocabulary")
        one = shared or (tied if tied is not None and tied.meaning.value else None)
        options: dict[str, Any] = {}
        if self.form == "encoder-decoder" and one is not None:
            options["share"], self.resolver.aliases[at] = SHARED, one.range
        scaled = self.settled.get("scaled")
        if scaled is not None:
            options["scale"] = "sqrt(d_model)"
            self.resolver.aliases[(*at, "tokens", "scale")] = scaled.range
        return {"tokens": options} if options else "tokens"

    def _head(self, at: Path) -> Any:
        """The head that was said; else a language model's, and none for an encoder alone."""
        head, tied = self.settled.get("head"), self.settled.get("tied")
        if (head is None and self.form == "encoder") or (head is not None and head.meaning.value is None):
            if tied is not None and tied.meaning.value:
                where = (self.settled["form"] if head is None else head).range
                self.said.report("B0502", "there is no head to tie the embeddings to", tied.range,
                                 "leave it out", (where, "no head"))  # fmt: skip
            return None
        if head is not None:
            self.resolver.aliases[at] = head.range
            cls = head.meaning.component
            if cls is None or "tied" not in cls.model_fields:
                return slot_of(self._pooled(head))
        if tied is not None:
            self.resolver.aliases.setdefault(at, tied.range)
        options = {"tied": tied is not None and bool(tied.meaning.value)}
        if head is not None:
            options = head.options if tied is None else {**head.options, **options}
            return {str(head.meaning.value): options} if options else str(head.meaning.value)
        return {"lm": options}

    def _pooled(self, head: Said) -> Said:
        """A head that reads one token, after blocks that look back only: the last one, which has seen the others."""
        cls = head.meaning.component
        members = [said for element in self.layer for said in element.members]
        ways = self.form == "encoder" or any("bidirectional" in said.options.values() for said in members)
        if cls is None or ways or "pool" in head.options or "last" not in choices(cls, "pool"):
            return head
        return replace(head, options={"pool": "last", **head.options})

    def _stack(self, use: Use, here: Path, depth: tuple[int, Range] | None) -> Stack:
        aliases, said = self.resolver.aliases, self.said
        names = streams(self.layer, self.entries, use)
        scatter = self._scatter(names[-1][0] if len(names) > 1 else None, use)
        if depth is None:
            depth = self._count(0)
        assert said.turns_range is not None
        aliases[here] = said.turns_range
        way = "interleave" if round_length(self.layer) == 1 else "cycle"
        for index, (_, place) in enumerate(names):
            aliases[(*here, way, index)] = place
        given: dict[str, Any] = {way: [name for name, _ in names], "scatter": scatter}
        if said.scattered:
            aliases[(*here, "scatter")] = said.scattered[0].range
        if depth is not None:
            given["depth"], aliases[(*here, "depth")] = depth
        if way == "cycle":
            self._check_rounds(len(names) // round_length(self.layer), given)
        known = self.resolver.sizes.depth
        if depth is not None and known is not None and known != depth[0] and self.form != "encoder-decoder":
            self._depth_differs(known, depth[0])
        norm, residual = self.settled.get("norm"), self.settled.get("residual")
        if norm is not None:
            given["norm"], aliases[(*here, "norm")] = self.entries.norm, norm.range
        if residual is not None:
            value = residual.meaning.value
            given |= {"residual": "post", "alpha": value} if value == "deepnorm" else {"residual": value}
            aliases[(*here, "residual")] = residual.range
        return Stack.model_validate(given)

    def _check_rounds(self, blocks: int, given: Mapping[str, Any]) -> None:
        """Layers are whole, even where the round that repeats is cut short."""
        depth = given.get("depth", self.resolver.sizes.depth)
        if depth is None or depth % blocks == 0:
            return
        near = " and ".join(map(str, nearest_depths(lambda d: d % blocks == 0, depth)))
        self.resolver.report(
            "B0509", f"{depth} blocks are no whole number of layers of {blocks} blocks", ("depth",),
            help=f"the nearest depths that work are {near}",
        )  # fmt: skip

    def _depth_differs(self, known: int, said: int) -> None:
        count = self.said.counts[0]
        self.resolver.report(
            "B0504", f"{self.said.slice(count.range)!r} are {said:,} blocks, but depth is {known:,}", ("model",),
            within=count.range, help="depth counts blocks: keep one of them",
            related=((("depth",), "depth is set here"),),
        )  # fmt: skip

    def _scatter(self, before: str | None, use: Use) -> dict[str, int | str] | None:
        for said in self.said.scattered:
            assert said.share is not None
            scatter: dict[str, int | str] = {self.entries.enter(said, use): said.share}
            return scatter | ({"before": before} if before is not None else {})
        return None


def _stage(key: str, value: Any) -> Stage:
    return Stage.model_validate({key: value})
