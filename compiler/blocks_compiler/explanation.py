"""A plan in words: why each block is where it is, what became of every default, what is shared, what is kept."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from blocks import Component, Embedding, Head, Plan, PlannedTraining
from blocks.blocktype import BlockType, Layer
from blocks.fold import Repeat, fold
from blocks.plan import PlannedStage
from blocks.recipe import Stack
from blocks.say import say
from blocks.validation import Path
from blocks_compiler import training, units
from blocks_compiler.defaults import applies, rule_of
from blocks_compiler.describe import first_line
from blocks_compiler.retained import kept

MANY = 4
"""Reasons of one kind of block that are told one by one; of more, the first and the last."""


@dataclass(frozen=True, slots=True)
class Section:
    """Paragraphs about one part; `topic` is model, stage, layout, block, shared, state or training."""

    topic: str
    title: str
    texts: tuple[str, ...]


def explain(plan: Plan, *, registry: Any = None) -> list[Section]:
    """The sections in the order in which data flows through the model."""
    return list(_Explainer(plan, registry).sections())


class _Explainer:
    def __init__(self, plan: Plan, registry: Any) -> None:
        self.plan, self.registry = plan, registry

    def sections(self) -> Iterator[Section]:
        yield self._model()
        for stream in self.plan.streams:
            for stage in stream.stages:
                yield from self._stack(stage) if stage.component is None else [self._stage(stage)]
        yield from self._shared()
        yield self._state()
        if self.plan.training is not None:
            yield self._training(self.plan.training)

    def _model(self) -> Section:
        plan = self.plan
        text = f"{units.number(len(plan.layers), 'block')}, {plan.parameters:,} parameters. "
        text += (
            f"d_model is {plan.sizes.d_model:,}: the width of the stream that every block reads and adds to."
        )
        if plan.sizes.vocab_size is not None:
            tokenizer = plan.tokenizer if plan.recipe.vocab_size is None else None
            source = f", those of the tokenizer {tokenizer.name}" if tokenizer is not None else ""
            text += f" The vocabulary has {plan.sizes.vocab_size:,} ids{source}."
        texts = [text]
        said = say(plan, registry=self.registry)
        if said is not None:
            texts.append(f"In a sentence: {said.rstrip('.')}.")
        if len(plan.streams) > 1:
            names = [stream.name for stream in plan.streams]
            texts.append(
                f"It has {len(names)} streams, {_and(names)}. Each has tokens of its own; the output is the last one's."
            )
        return Section("model", plan.name, tuple(texts))

    # Stages

    def _stage(self, stage: PlannedStage) -> Section:
        component = stage.component
        assert component is not None
        reasons = {
            "embedding": self._embeds(component),
            "position": "It is added to the embeddings, because what follows does not know the order otherwise.",
            "norm": self._final_norm(stage),
            "head": "It makes the output.",
        }
        tied = isinstance(component, Head) and component.ties()
        parts = [_capital(first_line(component)) + ".", reasons.get(stage.role, "")]
        parts = [
            " ".join(filter(None, parts)),
            self._defaults(component, self._written(stage), stage.origin, stage.width),
        ]
        parts += ["Its table is that of the embedding, so its weights count once."] if tied else []
        return Section("stage", stage.path, tuple(filter(None, parts)))

    def _embeds(self, component: Component) -> str:
        if not isinstance(component, Embedding):
            return ""
        first, *others = (each.what for each in component.inputs())
        length = component.length()
        count = f"{length:,} " if length is not None else ""
        besides = f", and reads {_and(others)} besides" if others else ""
        return f"It turns {first.replace('token ids', 'ids')} into {count}vectors{besides}."

    def _final_norm(self, stage: PlannedStage) -> str:
        before = [
            layer for other in self.plan.stages for layer in other.layers if other.stream == stage.stream
        ]
        residual = before[-1].type.residual if before else ""
        if residual in ("pre", "sandwich"):
            return "The blocks before it normalise what they read and not the stream, so this normalises their sum."
        return "It normalises the stream as a whole."

    def _written(self, stage: PlannedStage) -> Mapping[str, Any]:
        """The options of a stage as the recipe has them."""
        slot = self._at(stage.origin)
        return next(iter(slot.values())) or {} if isinstance(slot, dict) else {}

    # Blocks

    def _stack(self, stage: PlannedStage) -> Iterator[Section]:
        if not stage.layers:
            return
        yield Section("layout", stage.path, tuple(self._layout(stage)))
        kinds: dict[BlockType, list[int]] = {}
        for index, layer in enumerate(stage.layers):
            kinds.setdefault(layer.type, []).append(index)
        for kind, places in kinds.items():
            yield Section(
                "block", f"{stage.path}: {kind.name}", tuple(filter(None, self._block(stage, kind, places)))
            )

    def _layout(self, stage: PlannedStage) -> Iterator[str]:
        stack: Any = self._at(stage.origin)
        count = len(stage.layers)
        words = self.plan.aliases.get(stage.origin)
        from_words = f", from the words {self._words(words)}" if words is not None else ""
        yield f"{units.number(count, 'block')}: {self._way(stack, stage)}{from_words}."
        shown = ", ".join(_folded(item) for item in fold([layer.type.name for layer in stage.layers]))
        yield f"In order: {shown}."

    def _way(self, stack: Stack, stage: PlannedStage) -> str:
        """What puts the blocks of a stack where they are."""
        if stack.cycle is not None:
            names = _and(stack.cycle) if len(stack.cycle) <= MANY else f"{len(stack.cycle)} blocks"
            return f"{names} repeat until the depth is reached"
        if stack.pattern is not None:
            return "a pattern gives one letter a block"
        if stack.interleave is None:
            return "the recipe lists them"
        woven, count = stack.interleave, len(stage.layers)
        way = f"{_and(woven)} take turns" if len(woven) > 1 else f"{woven[0]} throughout"
        for name, value in (stack.scatter or {}).items():
            if name != "before":
                found = sum(layer.type.name == name for layer in stage.layers)
                asked = (
                    f"; {value} of {count} blocks is {found}, rounded to a whole number"
                    if isinstance(value, str)
                    else ""
                )
                where = (
                    f", directly before {stack.scatter['before']}"
                    if stack.scatter and "before" in stack.scatter
                    else ""
                )
                way += f"{asked}; {found} x {name} spread evenly among them{where}"
        return way

    def _at(self, path: Sequence[str | int]) -> Any:
        """What stands at a path of the model."""
        here: Any = self.plan.canonical.model
        for part in path[1:]:
            here = here[part] if isinstance(part, int) or isinstance(here, dict) else getattr(here, part)
        return here

    def _block(self, stage: PlannedStage, kind: BlockType, places: Sequence[int]) -> Iterator[str]:
        layers = [stage.layers[index] for index in places]
        words = self.plan.aliases.get(kind.origin)
        from_words = f", from the words {self._words(words)}" if words is not None else ""
        share = f"{len(places):,} of {units.number(len(stage.layers), 'block')}, at {_runs(places)}"
        yield f"{share}{from_words}. Why there: {self._reasons(layers)}."
        yield _around(kind)
        for branch in kind.branches:
            name = f"{branch.name}: " if kind.join else ""
            reads = ""
            if branch.memory is not None:
                reads = f" It looks at the {branch.memory}: its queries come from its own stream, its keys and values "
                reads += f"from the {branch.memory}, through weights of its own."
            yield f"{name}{_capital(first_line(branch.mixer))}.{reads}"
            entry = branch.name if kind.join else kind.name
            yield self._defaults(branch.mixer, self._options(kind, entry), ("blocks", entry), kind.width)
        lent = {layer.kv_source for layer in layers if layer.kv_source is not None}
        if lent:
            yield f"Its keys and values are those of {_and(sorted(lent))}."

    def _reasons(self, layers: Sequence[Layer]) -> str:
        """Why each stands there; reasons that differ in their numbers only are told once."""
        alike: dict[str, list[Layer]] = {}
        for layer in layers:
            alike.setdefault(re.sub(r"\d+", "#", layer.reason), []).append(layer)
        told = []
        for found in alike.values():
            if len({layer.reason for layer in found}) == 1:
                told.append(found[0].reason)
            elif len(found) <= MANY:
                told += [f"{layer.path} is {layer.reason}" for layer in found]
            else:
                first, last = found[0], found[-1]
                told.append(f"{first.path} is {first.reason}, and so on to {last.path}, {last.reason}")
        return "; ".join(told)

    def _options(self, kind: BlockType, entry: str) -> Mapping[str, Any]:
        """The options that the recipe writes for a mixer, in the vocabulary or in an override."""
        written = self.plan.canonical.blocks.get(entry)
        found = dict(written.options) if written is not None else {}
        if "override" in kind.origin:
            stack = self._at(kind.origin[: kind.origin.index("override")])
            found |= (stack.override or {}).get(str(kind.origin[-1]), {})
        return found

    def _words(self, place: tuple[int, int]) -> str:
        assert isinstance(self.plan.recipe.model, str)
        return f'"{self.plan.recipe.model[place[0] : place[1]]}"'

    # Defaults

    def _defaults(self, component: Component, written: Mapping[str, Any], path: Path, width: int) -> str:
        """`Written: n_heads 12. Worked out: head_dim 64 (d_model / n_heads). Defaults: mask causal.`"""
        said, worked, usual = [], [], []
        for name, info in type(component).model_fields.items():
            value = getattr(component, name)
            shown = f"{name} {_value(value)}"
            words = self.plan.aliases.get((*path, name))
            if name in written:
                said.append(f"{shown} (from {self._words(words)})" if words is not None else shown)
            elif value is not None and info.default is None and not isinstance(value, Component):
                rule = rule_of(
                    (info.description or "").partition("default: ")[2], name, value, component, written
                )
                worked.append(f"{shown} ({rule})" if rule else shown)
            elif value is not None and applies(component, name, width):
                usual.append(shown)
        texts = (("Written", said), ("Worked out", worked), ("Defaults", usual))
        return " ".join(f"{title}: {'; '.join(found)}." for title, found in texts if found)

    # Sharing and state

    def _shared(self) -> Iterator[Section]:
        owners: dict[str, list[str]] = {}
        saved: dict[str, int] = {}
        for share in self.plan.shares:
            owners.setdefault(share.owner, []).append(share.path)
            saved[share.owner] = saved.get(share.owner, 0) + share.parameters
        texts = []
        for owner, paths in owners.items():
            who = (
                _and(paths) if len(paths) <= MANY else f"{len(paths)} others, from {paths[0]} to {paths[-1]},"
            )
            texts.append(
                f"The parameters of {who} are those of {owner}, which saves {units.count(saved[owner])}."
            )
        for stage in self.plan.stages:
            if isinstance(stage.component, Head) and stage.component.ties():
                texts.append(f"The table of {stage.path} is that of the embedding.")
        if texts:
            yield Section("shared", "what is shared", tuple(texts))

    def _state(self) -> Section:
        return Section("state", "what is kept while it writes", (kept(self.plan),))

    # Training

    def _training(self, made: PlannedTraining) -> Section:
        """What is learnt, how and for how long, and which of it the recipe says."""
        section = self.plan.recipe.train
        assert section is not None
        texts = [f"{training.amount(made)}, for {made.objective.name}."]
        for key in ("objective", "optimizer", "schedule"):
            component: Component = getattr(made, key)
            slot = getattr(section, key)
            written = next(iter(slot.values())) or {} if isinstance(slot, dict) else {}
            said = self._defaults(component, written, ("train", key), self.plan.sizes.d_model)
            rates = f" The rate is {training.rates(made)}." if key == "schedule" else ""
            texts.append(f"{_capital(first_line(component))}.{rates} {said}".strip())
        texts += [f"{_capital('; '.join(said))}." for said in (training.means(made), training.reading(made))]
        usual = [name for name in type(section).model_fields if name not in section.model_fields_set]
        if usual:
            texts.append(f"The recipe says nothing of {_and(usual)}, so those are the usual ones.")
        return Section("training", "how it is trained", tuple(texts))


def _around(kind: BlockType) -> str:
    norm = kind.norm.name if kind.norm is not None else "no norm"
    each = "each branch's own norm" if kind.norm is None and any(b.norm for b in kind.branches) else norm
    texts = {
        "pre": f"Its mixer reads {each} of the stream and is added to it (pre-norm).",
        "post": f"Its mixer is added to the stream, and {norm} normalises the sum (post-norm).",
        "sandwich": f"Its mixer reads {each} of the stream, and a norm of its output is added (sandwich).",
        "none": f"Its mixer takes the place of the stream, with {each} before it (no residual).",
    }
    factors = [("scale", kind.scale), ("alpha", kind.alpha)]
    said = [f"{name} {value:g}" for name, value in factors if value != 1.0]
    said += [f"a learned scale that starts at {kind.layer_scale:g}"] if kind.layer_scale is not None else []
    said += [f"{branch.name} reads the stream as it is" for branch in kind.branches if branch.unnormed]
    said += [f"the branches are joined by {kind.join}"] if kind.join else []
    said += [f"an adapter of its own for each use, {kind.adapter.name}"] if kind.adapter is not None else []
    return texts[kind.residual] + (f" {_capital(_and(said))}." if said else "")


def _folded(item: str | Repeat[str]) -> str:
    if not isinstance(item, Repeat):
        return item
    inner = ", ".join(_folded(part) for part in item.items)
    return f"{item.times} x {inner}" if len(item.items) == 1 else f"{item.times} x [{inner}]"


def _runs(places: Sequence[int]) -> str:
    """`0 to 3, 7 and 9`; an even step as `0, 2, 4, … 50`."""
    if len(places) > MANY and len({b - a for a, b in pairwise(places)}) == 1:
        if places[1] - places[0] == 1:
            return f"{places[0]} to {places[-1]}"
        return f"{places[0]}, {places[1]}, {places[2]}, … {places[-1]}"
    runs: list[list[int]] = []
    for place in places:
        if runs and runs[-1][-1] == place - 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    texts = [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs]
    return _and(texts) if len(texts) <= 2 * MANY else f"{', '.join(texts[:MANY])}, … {texts[-1]}"


def _value(value: Any) -> str:
    if isinstance(value, Component):
        inner = [
            f"{n} {_value(getattr(value, n))}"
            for n in type(value).model_fields
            if getattr(value, n) is not None
        ]
        return f"{value.name} ({', '.join(inner)})" if inner else value.name
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    return (
        f"{value:g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
    )


def _and(parts: Iterable[str]) -> str:
    found = list(parts)
    return found[0] if len(found) == 1 else f"{', '.join(found[:-1])} and {found[-1]}" if found else ""


def _capital(text: str) -> str:
    """A sentence starts large, but an equation stays small."""
    return text if text[1:2] == " " else text[:1].upper() + text[1:]
