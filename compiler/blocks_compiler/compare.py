"""Two plans compared in meaning: which blocks and stages correspond, what changed in each, what came, went or moved."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from blocks import BlockGraph, Plan
from blocks_compiler.align import GAP, NEVER, Pair, align
from blocks_compiler.backends.report import Costs, Meter
from blocks_compiler.facts import Item, Meaning, meanings, said
from blocks_compiler.training import amount, rows


@dataclass(frozen=True, slots=True)
class Option:
    """One option that is not what it was; None where there was or is no such option."""

    name: str
    old: str | None
    new: str | None


@dataclass(slots=True)
class Change:
    """Items that changed, came, went or moved alike: their places on either side, and what changed in each.

    `before` and `after` stand for all of them; one is None for what came or went. `parameters` is the difference
    that they make in sum.
    """

    kind: str
    before: Item | None
    after: Item | None
    options: tuple[Option, ...] = ()
    old_paths: list[str] = field(default_factory=list)
    new_paths: list[str] = field(default_factory=list)
    parameters: int = 0

    @property
    def count(self) -> int:
        """How many items it is about."""
        return max(len(self.old_paths), len(self.new_paths))

    @property
    def item(self) -> Item:
        """One of the items, as it is after the change where it still is there."""
        item = self.after or self.before
        assert item is not None
        return item


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between two plans. Two plans without a difference are the same architecture."""

    old: Plan
    new: Plan
    context: int
    sizes: tuple[Option, ...]
    changes: tuple[Change, ...]
    ties: tuple[Option, ...]
    costs: tuple[Costs, Costs]
    layouts: tuple[tuple[str, ...], tuple[str, ...]]
    """Names of the blocks in order, with + or - before one that only this side has."""
    names: tuple[str, str]
    training: tuple[Option, ...] = ()
    """What differs in how they are trained, which is no part of the architecture."""

    @property
    def same(self) -> bool:
        """Whether both are the same architecture."""
        return not (self.sizes or self.changes or self.ties)

    def as_json(self) -> dict[str, Any]:
        """What `blocks diff --json` prints; its keys are a contract."""
        old, new = (costs.as_json() for costs in self.costs)
        return {
            "same": self.same,
            "old": self.names[0],
            "new": self.names[1],
            "context": self.context,
            "sizes": [_option_json(option) for option in self.sizes],
            "changes": [_change_json(change) for change in self.changes],
            "ties": [_option_json(option) for option in self.ties],
            "training": [_option_json(option) for option in self.training],
            "costs": {"old": old, "new": new},
        }


def compare(
    old: BlockGraph, new: BlockGraph, context: int, names: tuple[str, str] | None = None
) -> Comparison:
    """Compare two graphs after all passes; costs are those at `context` tokens, `names` what to call the two."""
    plans: tuple[Plan, Plan] = (old.graph["plan"], new.graph["plan"])
    reports = tuple(Meter(graph).report(context) for graph in (old, new))
    parameters = [{row.path: row.costs.parameters for row in report.rows} for report in reports]
    (items, means), (new_items, new_means) = (meanings(plan) for plan in plans)
    pairs = list(_without_swaps(align(means, new_means, _price), means, new_means))
    became = {items[i].path: new_items[j].path for i, j in pairs if i is not None and j is not None}
    sizes = tuple(_sizes(*plans))
    changes = [
        *_changed(pairs, items, new_items, became, parameters, sizes),
        *_unpaired(pairs, items, new_items, means, new_means, parameters),
    ]
    return Comparison(
        *plans,
        context,
        sizes,
        tuple(changes),
        tuple(_ties(old, new, became)),
        (reports[0].total, reports[1].total),
        (
            _layout(items, {i for i, j in pairs if j is None}, "-"),
            _layout(new_items, {j for i, j in pairs if i is None}, "+"),
        ),
        names or (plans[0].name, plans[1].name),
        _training(*plans),
    )


def _training(old: Plan, new: Plan) -> tuple[Option, ...]:
    """What differs in how they are trained; one row where only one of them says anything about it."""
    said = [None if plan.training is None else dict(rows(plan.training)) for plan in (old, new)]
    if None not in said:
        return _options(*((found or {}).items() for found in said))
    about = (None if plan.training is None else amount(plan.training) for plan in (old, new))
    return _options(*([("train", text)] if text is not None else [] for text in about))


def _layout(items: Iterable[Item], alone: Container[int | None], sign: str) -> tuple[str, ...]:
    return tuple(
        sign * (index in alone) + item.name for index, item in enumerate(items) if item.role == "block"
    )


def _sizes(old: Plan, new: Plan) -> Iterable[Option]:
    """Sizes of the whole model; `depth` only helps to write a recipe, the number of blocks is what it comes to."""
    before = {f.name: getattr(old.sizes, f.name) for f in fields(old.sizes) if f.name != "depth"}
    after = {f.name: getattr(new.sizes, f.name) for f in fields(new.sizes) if f.name != "depth"}
    for plan, found in ((old, before), (new, after)):
        found["blocks"] = len(plan.layers)
        found["tokenizer"] = plan.tokenizer.name if plan.tokenizer is not None else None
    return _options(
        tuple((name, said(value)) for name, value in before.items()),
        tuple((name, said(value)) for name, value in after.items()),
    )


def _pairs(item: Item) -> Iterable[tuple[str, str]]:
    return ((fact.name, fact.text) for fact in item.facts)


def _options(before: Iterable[tuple[str, str]], after: Iterable[tuple[str, str]]) -> tuple[Option, ...]:
    old, new = dict(before), dict(after)
    return tuple(
        Option(name, old.get(name), new.get(name))
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name)
    )


def _ties(old: BlockGraph, new: BlockGraph, names: Mapping[str, str]) -> tuple[Option, ...]:
    """Parameters that live elsewhere; places of the old plan are named as in the new one."""

    def owners(graph: BlockGraph, names: Mapping[str, str]) -> Iterable[tuple[str, str]]:
        for node in graph.walk():
            for own, owner in node.ties:
                yield f"{names.get(node.path, node.path)}.{own}", names.get(owner, owner)

    return _options(owners(old, names), owners(new, {}))


# Pairs ---------------------------------------------------------------------------------------------------------------


def _price(old: Meaning, new: Meaning) -> int:
    """What it costs to call one block the other's successor: little for the same mixer, less than two gaps for any."""
    if old.stream != new.stream or old.role != new.role:
        return NEVER
    if old.mixers == new.mixers:
        return GAP - 1
    return GAP if _akin(old, new) else 2 * GAP - 1


def _without_swaps(pairs: Sequence[Pair], old: Sequence[Meaning], new: Sequence[Meaning]) -> Iterable[Pair]:
    """The pairs; blocks that took each other's places are no pairs: they moved."""
    both = [(i, j) for i, j in pairs if i is not None and j is not None]
    replaced = {i: j for i, j in both if not _akin(old[i], new[j])}
    gone, come = {old[i] for i in replaced}, {new[j] for j in replaced.values()}
    for i, j in pairs:
        if i in replaced and j is not None and old[i] in come and new[j] in gone:
            yield i, None
            yield None, j
        else:
            yield i, j


def _akin(old: Meaning, new: Meaning) -> bool:
    """Whether each mixer is a variant of its counterpart, as grouped-query attention is of multi-head."""
    return len(old.classes) == len(new.classes) and all(
        issubclass(a, b) or issubclass(b, a) for a, b in zip(old.classes, new.classes, strict=True)
    )


def _changed(
    pairs: Sequence[Pair],
    old: Sequence[Item],
    new: Sequence[Item],
    names: Mapping[str, str],
    parameters: Sequence[Mapping[str, int]],
    sizes: Sequence[Option],
) -> Iterable[Change]:
    """Pairs that differ, together where they differ alike; a stage that follows a size of the model is no change."""
    found: dict[tuple[Any, ...], Change] = {}
    known: dict[tuple[int, int], tuple[Option, ...]] = {}  # blocks of one kind hold one and the same facts
    for i, j in pairs:
        if i is None or j is None:
            continue
        before, after = old[i], new[j]
        relations = tuple((name, names.get(path, path)) for name, path in before.relations)
        facts = id(before.facts), id(after.facts)
        if facts not in known:
            known[facts] = _options(_pairs(before), _pairs(after))
        options = (*known[facts], *_options(relations, after.relations))
        if before.role != "block":
            options = tuple(option for option in options if option not in sizes)
        if not options:
            continue
        key = (before.role, before.name, after.name, options)
        change = found.setdefault(key, Change("changed", before, after, options))
        change.old_paths.append(before.path)
        change.new_paths.append(after.path)
        change.parameters += parameters[1].get(after.path, 0) - parameters[0].get(before.path, 0)
    return found.values()


def _unpaired(
    pairs: Sequence[Pair],
    old: Sequence[Item],
    new: Sequence[Item],
    old_means: Sequence[Meaning],
    new_means: Sequence[Meaning],
    parameters: Sequence[Mapping[str, int]],
) -> Iterable[Change]:
    """What was taken out, put in, or both: moved."""
    gone: dict[Meaning, list[Item]] = {}
    come: dict[Meaning, list[Item]] = {}
    for i, j in pairs:
        if j is None and i is not None:
            gone.setdefault(old_means[i], []).append(old[i])
        if i is None and j is not None:
            come.setdefault(new_means[j], []).append(new[j])
    for meaning in dict.fromkeys((*gone, *come)):
        before, after = gone.get(meaning, []), come.get(meaning, [])
        moved = min(len(before), len(after))
        groups: tuple[tuple[str, list[Item], list[Item]], ...] = (
            ("moved", before[:moved], after[:moved]),
            ("removed", before[moved:], []),
            ("added", [], after[moved:]),
        )
        for kind, left, right in groups:
            if left or right:
                change = Change(kind, left[0] if left else None, right[0] if right else None)
                change.old_paths += [item.path for item in left]
                change.new_paths += [item.path for item in right]
                change.parameters = sum(parameters[1].get(item.path, 0) for item in right)
                change.parameters -= sum(parameters[0].get(item.path, 0) for item in left)
                yield change


# JSON ----------------------------------------------------------------------------------------------------------------


def _option_json(option: Option) -> dict[str, str | None]:
    return {"name": option.name, "old": option.old, "new": option.new}


def _change_json(change: Change) -> dict[str, Any]:
    def item(made: Item | None, paths: list[str]) -> dict[str, Any] | None:
        if made is None:
            return None
        return {"name": made.name, "mixer": list(made.mixers), "paths": paths, "options": dict(_pairs(made))}

    return {
        "kind": change.kind,
        "count": change.count,
        "old": item(change.before, change.old_paths),
        "new": item(change.after, change.new_paths),
        "options": [_option_json(option) for option in change.options],
        "parameters": change.parameters,
    }
