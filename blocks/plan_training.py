"""From the `train:` section to what it comes to: components looked up, sizes worked out, all held against the model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from blocks.auxiliary import Auxiliary
from blocks.carrying import not_carried
from blocks.component import Complaint, Component
from blocks.diagnostics import RecipeError
from blocks.layout import LayoutError
from blocks.objective import Objective
from blocks.optimizer import Optimizer
from blocks.packing import lacking
from blocks.schedule import Schedule
from blocks.selectors import select
from blocks.training import USUAL_CONTEXT, PlannedTraining, Training
from blocks.validation import Path

if TYPE_CHECKING:
    from blocks.planned import Plan
    from blocks.resolve import Resolver

HERE = ("train",)
_C = TypeVar("_C", bound=Component)
_COUNTS = ("steps", "batch", "accumulate", "eval_every", "save_every")
_NEEDS = {"documents": "packed", "padded": "padded"}
"""How rows are packed -> what every mixer has to be able to do."""


def usual_training(plan: Plan) -> PlannedTraining:
    """The section of a plan whose recipe has none. Raises RecipeError where the defaults do not fit the model."""
    from blocks.registry import Registry
    from blocks.resolve import Resolver

    resolver = Resolver(plan.recipe, plan.registry or Registry.installed())
    resolver.sizes = plan.sizes
    planner = TrainingPlanner(Training(), resolver)
    planner.read()
    made = planner.fit(plan)
    resolver.problems.raise_if_any(RecipeError)
    assert made is not None, "no training and no problem"
    return made


@dataclass(frozen=True, slots=True)
class _Choices:
    """What the section names; None where something was wrong with it."""

    objective: Objective | None
    optimizer: Optimizer | None
    schedule: Schedule | None
    auxiliary: tuple[tuple[Auxiliary, float], ...]


class TrainingPlanner:
    """Reads one section: `read` what needs no model, then `fit` it to one. Problems go to the resolver."""

    def __init__(self, section: Training, resolver: Resolver) -> None:
        self.section, self.resolver = section, resolver
        self.counts: dict[str, int] = {}

    def read(self) -> None:
        """Look up the components, work out the counts, and compare the counts with one another."""
        before = self.resolver.reports
        self.choices = _Choices(
            self._chosen("objective", Objective),
            self._chosen("optimizer", Optimizer),
            self._chosen("schedule", Schedule),
            tuple(self._auxiliary()),
        )
        for name in (*_COUNTS, "context"):
            value = getattr(self.section, name)
            number = self.resolver.size(value, (*HERE, name))
            if number == 0:
                message = f"{name} is 0, and has to be at least 1"
                self.resolver.report("B0302", message, (*HERE, name), help=self._purpose(name))
            elif number is not None:
                self.counts[name] = number
        self._check_parts()
        self._check_carried()
        schedule, steps = self.choices.schedule, self.counts.get("steps")
        if schedule is not None and steps is not None:
            self._complain(schedule, schedule.check_steps(steps))
        self.sound = self.resolver.reports == before

    def fit(self, plan: Plan) -> PlannedTraining | None:
        """The section of this model; None where something is wrong with either."""
        before = self.resolver.reports
        objective = self.choices.objective
        if objective is not None:
            self._complain(objective, objective.check_plan(plan))
        for term, _ in self.choices.auxiliary:
            at = (*HERE, "auxiliary", term.name)
            self.resolver.complain(term, term.check_plan(plan), at, at)
        context = self._context(plan)
        selectors = self._selectors()
        paths = self._recomputed(plan, selectors)
        self._check_mixers(plan)
        if not self.sound or self.resolver.reports != before:
            return None
        section, choices, counts = self.section, self.choices, self.counts
        assert choices.objective is not None
        assert choices.optimizer is not None
        assert choices.schedule is not None
        return PlannedTraining(
            choices.objective, choices.optimizer, choices.schedule,
            steps=counts["steps"], batch=counts["batch"], context=context, accumulate=counts["accumulate"],
            clip=None if section.clip == "none" else section.clip, dtype=section.dtype,
            checkpoint=paths, selectors=selectors, compile=section.compile, ema=section.ema, carry=section.carry,
            packing=section.packing, validation=section.validation,
            eval_every=counts["eval_every"], save_every=counts["save_every"],
            auxiliary=choices.auxiliary, seed=section.seed,
        )  # fmt: skip

    # What needs no model

    def _purpose(self, name: str) -> str:
        return f"{name}: {Training.model_fields[name].description}"

    def _chosen(self, kind: str, cls: type[_C]) -> _C | None:
        slot, at = getattr(self.section, kind), (*HERE, kind)
        if slot == "none":
            known = ", ".join(self.resolver.registry.names(kind))
            article = "an" if kind[0] in "aeiou" else "a"
            self.resolver.report("B1301", f"training needs {article} {kind}", at, help=f"known: {known}")
            return None
        made = self.resolver.slot(kind, slot, at)
        assert made is None or isinstance(made, cls)
        return made

    def _auxiliary(self) -> Iterator[tuple[Auxiliary, float]]:
        for name, weight in self.section.auxiliary.items():
            at = (*HERE, "auxiliary", name)
            made = self.resolver.made("auxiliary", name, {}, at, at)
            if isinstance(made, Auxiliary):
                checked = self.resolver.checked(made, at, at, self.resolver.sizes)
                if isinstance(checked, Auxiliary):
                    yield checked, weight

    def _complain(self, component: Component, complaints: Iterable[Complaint]) -> None:
        at: Path = (*HERE, component.kind)
        at = at if isinstance(getattr(self.section, component.kind), str) else (*at, component.name)
        self.resolver.complain(component, complaints, at, at, owner=HERE)

    def _check_parts(self) -> None:
        batch, parts = self.counts.get("batch"), self.counts.get("accumulate")
        if batch and parts and batch % parts:
            good = [n for n in range(1, batch + 1) if batch % n == 0]
            near = sorted(good, key=lambda n: (abs(n - parts), n))[:2]
            self.resolver.report(
                "B1302",
                f"{batch} rows cannot be computed in {parts} equal parts",
                (*HERE, "accumulate"),
                help=f"accumulate: {' or '.join(map(str, sorted(near)))}, or a batch that {parts} divides",
                related=(((*HERE, "batch"), "batch is set here"),),
            )

    def _check_carried(self) -> None:
        if self.section.carry and self.section.packing != "stream":
            self.resolver.report(
                "B1303",
                f"a row that goes on where it stopped is a stream, and packing is {self.section.packing}",
                (*HERE, "carry"),
                help="packing: stream, or carry: false",
                related=(((*HERE, "packing"), "packing is set here"),),
            )

    # What the model has to say

    def _context(self, plan: Plan) -> int:
        """Tokens of a row, at most as many as every stage and block has positions for."""
        limits = plan.limits
        said = self.counts.get("context")
        if not limits:
            return said or USUAL_CONTEXT
        longest, component = min(limits, key=lambda found: found[0])
        if said is not None and said > longest:
            self.resolver.report(
                "B1304",
                f"rows of {said:,} tokens are longer than the {longest:,} that {component.name} has positions for",
                (*HERE, "context"),
                help=f"context: {longest}",
            )
        return said or min(USUAL_CONTEXT, longest)

    def _selectors(self) -> tuple[str, ...]:
        said = self.section.checkpoint
        return () if said is None else (said,) if isinstance(said, str) else tuple(said)

    def _recomputed(self, plan: Plan, selectors: tuple[str, ...]) -> tuple[str, ...]:
        """Paths of the blocks that selectors name, in any stack that has such blocks."""
        chosen: set[str] = set()
        stacks = [stage for stage in plan.stages if stage.layers]
        for index, selector in enumerate(selectors):
            at: Path = (*HERE, "checkpoint")
            at = at if isinstance(self.section.checkpoint, str) else (*at, index)
            found: set[str] = set()
            wrong = LayoutError(
                "B0409", f"{selector!r} selects nothing: the model has no blocks", (), "leave it out"
            )
            for stage in stacks:
                own = stage.path if selector.startswith(stage.path) else stage.path.rpartition(".")[2]
                try:
                    chosen_here = select(selector, [layer.type.name for layer in stage.layers], own)
                    found |= {stage.layers[index].path for index in chosen_here}
                except LayoutError as error:
                    wrong = error
            chosen |= found
            if not found:
                self.resolver.report(wrong.code, wrong.message, at, help=wrong.help)
        return tuple(layer.path for stage in stacks for layer in stage.layers if layer.path in chosen)

    def _check_mixers(self, plan: Plan) -> None:
        """Every block keeps documents apart or takes padding, where rows are so packed; a carried state stays small."""
        packing = self.section.packing
        names = lacking(plan.streams, _NEEDS[packing]) if packing in _NEEDS else []
        if names:
            cannot = "keep packed documents apart" if packing == "documents" else "take a padding mask"
            more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
            self.resolver.report(
                "B1305",
                f"{names[0]} cannot {cannot}{more}",
                (*HERE, "packing"),
                help="packing: stream takes windows of one long text",
            )
        if not self.section.carry:
            return
        for name, why in not_carried(plan):
            self.resolver.report(
                "B1306", f"the state of {name} cannot be carried from row to row: {why}", (*HERE, "carry"),
                help="carry: false, or blocks whose state stays as large as it is",
            )  # fmt: skip
