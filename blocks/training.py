"""How a model is trained: the `train:` section of a recipe as written, and what it comes to.

The section is no part of the architecture: two recipes that differ in it alone are the same model. `Plan.train`
holds a `PlannedTraining` for every recipe, with the defaults below where it says nothing; docs/language.md has the
reason for each of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import Field

from blocks.values import NAME, Number, Slot, Strict

if TYPE_CHECKING:
    from blocks.auxiliary import Auxiliary
    from blocks.objective import Objective
    from blocks.optimizer import Optimizer
    from blocks.schedule import Schedule

Dtype: TypeAlias = Literal["float32", "bfloat16"]
Packing: TypeAlias = Literal["stream", "documents", "padded"]
Selector: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)]

USUAL_CONTEXT = 256
"""Tokens of a row where the recipe says nothing and the model has positions for as many."""


class Training(Strict):
    """The `train:` section. Every key has a default, so that any recipe can be trained."""

    objective: Slot = Field(default="next_token", description="what it is trained for")
    optimizer: Slot = Field(default="adamw", description="what a gradient does to the weights")
    schedule: Slot = Field(default="cosine", description="how the learning rate moves from step to step")
    steps: Number = Field(default=2000, description="optimizer steps")
    batch: Number = Field(
        default=16, description="rows of an optimizer step, over all processes and accumulated parts together"
    )
    context: Number | None = Field(
        default=None,
        description=f"tokens of a row; default: {USUAL_CONTEXT}, or as many as the model has positions for, if fewer",
    )
    accumulate: Number = Field(
        default=1,
        description="parts that the rows of a step are computed in, one after the other, to save memory",
    )
    clip: Annotated[float, Field(gt=0)] | Literal["none"] = Field(
        default=1.0, description="largest norm of all gradients together; larger ones are scaled down to it"
    )
    dtype: Dtype = Field(
        default="float32", description="of matrix products; weights stay in float32 (bfloat16: autocast)"
    )
    checkpoint: Selector | Annotated[list[Selector], Field(min_length=1, max_length=100)] | None = Field(
        default=None,
        description="blocks whose activations are computed again in the backward pass: attention, layers[0:4]",
    )
    compile: bool = Field(default=False, description="whether torch.compile is used")
    ema: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None, description="decay a step of a moving average of the weights, kept beside them"
    )
    carry: bool = Field(
        default=False,
        description="each row goes on where it stopped, from the state it left (truncated backpropagation through "
        "time)",
    )
    packing: Packing = Field(
        default="stream",
        description="stream: windows of one long text; documents: several to a row, kept apart; padded: one to a row",
    )
    validation: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.1, description="share of the data, at its end, that is kept to measure by"
    )
    eval_every: Number = Field(default=250, description="steps from one measurement to the next")
    save_every: Number = Field(
        default=250, description="steps from one checkpoint to the next; the last one is always saved"
    )
    auxiliary: dict[Annotated[str, Field(pattern=NAME)], Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict, description="further losses and their weights, such as {load_balance: 0.01}"
    )
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(
        default=0, description="of the first weights, the order of the data and dropout"
    )


@dataclass(frozen=True, slots=True)
class PlannedTraining:
    """The section with every name looked up and every size worked out; its keys mean what `Training` says.

    clip        None: gradients are left as they are
    checkpoint  paths of the blocks, in order; `selectors` are those that the recipe names them by
    auxiliary   the terms and their weights, in order
    """

    objective: Objective
    optimizer: Optimizer
    schedule: Schedule
    steps: int
    batch: int
    context: int
    accumulate: int
    clip: float | None
    dtype: Dtype
    checkpoint: tuple[str, ...]
    selectors: tuple[str, ...]
    compile: bool
    ema: float | None
    carry: bool
    packing: Packing
    validation: float
    eval_every: int
    save_every: int
    auxiliary: tuple[tuple[Auxiliary, float], ...]
    seed: int

    @property
    def rows(self) -> int:
        """Rows of each accumulated part of a batch, over all processes."""
        return self.batch // self.accumulate

    def rate(self, step: int) -> float:
        """The learning rate of step number `step`, from 0 on."""
        return self.optimizer.lr * self.schedule.factor(step, self.steps)
