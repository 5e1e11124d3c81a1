"""Objectives: what a model is trained for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from blocks.component import Complaint, Component

if TYPE_CHECKING:
    from blocks.planned import Plan
    from blocks.tokenizer import Coder


class Objective(Component):
    """What a model is trained for: which columns of a record it reads, and the loss of a batch.

    Its `module` is "package.module:Class", a class made as `Class(model, **options)` and called as
    `(inputs, targets, state=None) -> Outcome`: inputs are tensors by the model's arguments, targets int64 with -100
    where nothing is predicted; an outcome has `loss_sum` (float32, a scalar), `count` of what it sums over, and
    the `state` that the model returned.
    """

    kind = "objective"
    reads: ClassVar[tuple[str, ...]] = ("text",)
    """Columns of a record, such as `text`, or `source` and `target`."""
    numbers: ClassVar[Mapping[str, str]] = {}
    """Columns of `reads` that hold numbers, such as images and labels -> their dtype; the others are text."""
    shift: ClassVar[int] = 1
    """How far ahead a token's target stands: 1 the next token, 0 itself, for objectives that hide some."""

    def check_coder(self, coder: Coder) -> None:
        """Raise BuildError where a tokenizer lacks a token that this needs."""

    def change(
        self, inputs: Mapping[str, Any], targets: Any, *, rows: Sequence[int], seed: int, coder: Coder
    ) -> tuple[Mapping[str, Any], Any]:
        """What is asked of some rows: numpy arrays as they were read, or others in their place. Itself by default.

        `rows` are their numbers, from 0 at the first row of the first step on. What is drawn follows from the seed and
        a row's number alone, so that a run goes on from the number of its step, on any number of ranks.
        """
        return inputs, targets

    def gather(
        self, records: Sequence[Mapping[str, Any]], *, coder: Coder | None, context: int
    ) -> tuple[Mapping[str, Any], Any]:
        """Inputs, by the model's arguments, and targets of some records that are more than one text.

        A record has a numpy array for each column of `reads`: the ids of a text, or numbers. A text alone is cut into
        rows or packed as the recipe says, and does not come here.
        """
        raise NotImplementedError(
            f"{type(self).__name__} reads {', '.join(self.reads)}, and must define gather"
        )

    def check_plan(self, plan: Plan) -> Iterator[Complaint]:
        """Yield why a model of this plan cannot be trained for it."""
        return iter(())
