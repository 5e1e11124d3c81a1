"""Schedules: factors of the learning rate, in plain Python.

Steps count from 0. Warm-up goes up a straight line, (step + 1) / warmup: its first step moves the weights, its last one
has the full rate. What follows is a curve of how far training has come since, which comes to its end one step after the
last, so that no step is made at a rate of 0. transformers' schedules begin with such a step; behind the warm-up both
agree step by step. A number of steps is a whole number; one below 1 is a share of all steps, rounded half to even.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Literal, Self

from pydantic import Field

from blocks import Complaint, Schedule, Sizes

_WARMUP = "steps of a straight line up to the full rate; below 1: a share of all steps"
_MINIMUM = "factor at the end"


def counted(value: float, steps: int) -> int:
    """A number of steps: `value` itself, or where it is below 1 that share of `steps`."""
    return round(value * steps) if 0 < value < 1 else int(value)


def progress(step: int, first: int, last: int) -> float:
    """How far `step` is from `first` to `last`, from 0 to 1; 1 where there is no way to go."""
    return min(1.0, max(0.0, (step - first) / (last - first))) if last > first else 1.0


class Warmed(Schedule):
    """The base of schedules that begin with a warm-up."""

    warmup: int | float = Field(0.01, ge=0, description=_WARMUP)

    def check(self, sizes: Sizes) -> Iterator[Complaint]:
        yield from _whole("warmup", self.warmup)

    def check_steps(self, steps: int) -> Iterator[Complaint]:
        warmup = counted(self.warmup, steps)
        if warmup > steps:
            yield Complaint(
                "warmup",
                f"a warm-up of {warmup:,} steps is longer than the {steps:,} steps of training",
                help="a number below 1 is a share of the steps, such as warmup: 0.01",
                code="B1307",
                related=("steps",),
            )

    def factor(self, step: int, steps: int) -> float:
        warmup = counted(self.warmup, steps)
        return (step + 1) / warmup if step < warmup else self.after(step, warmup, steps)

    def after(self, step: int, warmup: int, steps: int) -> float:
        """The factor of a step that is behind the warm-up."""
        raise NotImplementedError(f"{type(self).__name__} must define after")


class Constant(Warmed):
    """The same rate throughout, after the warm-up."""

    warmup: int | float = Field(0, ge=0, description=_WARMUP)

    def after(self, step: int, warmup: int, steps: int) -> float:
        return 1.0


class Cosine(Warmed):
    """m + (1 - m)(1 + cos πp) / 2, where p goes from 0 to 1 (Loshchilov & Hutter 2016, arXiv:1608.03983, equation 5).

    Without restarts, after a warm-up, down to a tenth, as in GPT-3 (Brown et al. 2020, arXiv:2005.14165, appendix B).
    """

    minimum: float = Field(0.1, ge=0, le=1, description=_MINIMUM)

    def after(self, step: int, warmup: int, steps: int) -> float:
        p = progress(step, warmup, steps)
        return self.minimum + (1 - self.minimum) * (1 + math.cos(math.pi * p)) / 2


class Linear(Warmed):
    """1 - (1 - m) p, where p goes from 0 to 1 (Devlin et al. 2018, arXiv:1810.04805, appendix A.2)."""

    minimum: float = Field(0.0, ge=0, le=1, description=_MINIMUM)

    def after(self, step: int, warmup: int, steps: int) -> float:
        return 1 - (1 - self.minimum) * progress(step, warmup, steps)


class WSD(Warmed):
    """Warm-up, stable, decay: the full rate until the last steps (Hu et al. 2024, arXiv:2404.06395, section 4.2).

    With p from 0 to 1 over the decay, it ends linear, 1 - (1 - m) p; as half a cosine; exponential, m^p (theirs is
    0.5^(s / T): another base of the same curve); or as 1 - (1 - m) sqrt(p) (Hägele et al. 2024, arXiv:2405.18392).
    """

    decay: int | float = Field(
        0.1, ge=0, description="last steps, in which the rate goes down; below 1: a share of all steps"
    )
    shape: Literal["linear", "cosine", "exponential", "sqrt"] = Field(
        "linear", description="how it goes down"
    )
    minimum: float = Field(0.1, ge=0, le=1, description=_MINIMUM)

    def check(self, sizes: Sizes) -> Iterator[Complaint]:
        yield from super().check(sizes)
        yield from _whole("decay", self.decay)
        if self.shape == "exponential" and not self.minimum:
            yield Complaint(
                "minimum", "what decays exponentially never comes to 0",
                help="minimum: 0.01, or shape: linear", code="B0312", related=("shape",),
            )  # fmt: skip

    def check_steps(self, steps: int) -> Iterator[Complaint]:
        warmup, decay = counted(self.warmup, steps), counted(self.decay, steps)
        if warmup <= steps < warmup + decay:
            yield Complaint(
                "decay",
                f"{warmup:,} steps of warm-up and {decay:,} of decay are more than the {steps:,} steps of training",
                help="a number below 1 is a share of the steps, such as decay: 0.1",
                code="B1307",
                related=("warmup", "steps"),
            )
        yield from super().check_steps(steps)

    def after(self, step: int, warmup: int, steps: int) -> float:
        p, low = progress(step, steps - counted(self.decay, steps), steps), self.minimum
        if step < steps - counted(self.decay, steps):
            return 1.0
        if self.shape == "exponential":
            return float(low**p)
        if self.shape == "cosine":
            return low + (1 - low) * (1 + math.cos(math.pi * p)) / 2
        return 1 - (1 - low) * (p if self.shape == "linear" else math.sqrt(p))


class InverseSqrt(Warmed):
    """sqrt(warmup / n) at the n-th step, from 1 on (Vaswani et al. 2017, arXiv:1706.03762, equation 3, over its peak).

    Without a warm-up it is 1 / sqrt(n).
    """

    minimum: float = Field(0.0, ge=0, le=1, description="factor that it does not go below")

    def after(self, step: int, warmup: int, steps: int) -> float:
        return max(self.minimum, math.sqrt(max(1, warmup) / (step + 1)))


class Noam(Schedule):
    """d_model^-0.5 min(n^-0.5, n warmup^-1.5) at the n-th step (Vaswani et al. 2017, arXiv:1706.03762, equation 3).

    It gives the rate itself, so that the optimizer's lr, 1 in the paper, is a factor of it.
    """

    warmup: int | float = Field(4000, gt=0, description=_WARMUP)
    d_model: int | None = Field(None, gt=0, description="width of the model; default: the recipe's")

    def check(self, sizes: Sizes) -> Iterator[Complaint]:
        yield from _whole("warmup", self.warmup)

    def bind(self, sizes: Sizes) -> Self:
        return self if self.d_model is not None else self.model_copy(update={"d_model": sizes.d_model})

    def factor(self, step: int, steps: int) -> float:
        n, warmup = step + 1, max(1, counted(self.warmup, steps))
        assert self.d_model is not None
        return float(self.d_model**-0.5 * min(n**-0.5, n * warmup**-1.5))

    def check_steps(self, steps: int) -> Iterator[Complaint]:
        yield from Warmed.check_steps(self, steps)  # type: ignore[arg-type]


class Step(Warmed):
    """gamma^k after k milestones, every so many steps or at those that are named (He et al. 2015, arXiv:1512.03385).

    They are counted from the beginning of training, the warm-up included.
    """

    warmup: int | float = Field(0, ge=0, description=_WARMUP)
    gamma: float = Field(0.1, gt=0, le=1, description="factor at a milestone")
    every: int | float | None = Field(None, gt=0, description="a milestone at each multiple of so many steps")
    at: list[int | float] | None = Field(
        None,
        min_length=1,
        max_length=1000,
        description="milestones in order; below 1: shares of all steps; default: 0.5 and 0.75, or what every says",
    )
    minimum: float = Field(0.0, ge=0, le=1, description="factor that it does not go below")

    def check(self, sizes: Sizes) -> Iterator[Complaint]:
        yield from super().check(sizes)
        if self.every is not None:
            yield from _whole("every", self.every)
        if self.every is not None and self.at is not None:
            yield Complaint(
                "at", "every says where the milestones are, and at says so too",
                help="leave one of them out", code="B0312", related=("every",),
            )  # fmt: skip
        for milestone in self.at or ():
            yield from _whole("at", milestone, "a milestone")

    def bind(self, sizes: Sizes) -> Self:
        named = self.at is not None or self.every is not None
        return self if named else self.model_copy(update={"at": [0.5, 0.75]})

    def check_steps(self, steps: int) -> Iterator[Complaint]:
        yield from super().check_steps(steps)
        name = "at" if self.every is None else "every"
        milestones = [counted(at, steps) for at in (self.at or () if self.every is None else (self.every,))]
        if any(one > other for one, other in pairwise(milestones)):
            yield Complaint(
                "at", "milestones in another order than they come",
                help=f"at: {sorted(milestones)}", code="B1307", related=("steps",),
            )  # fmt: skip
        elif milestones and milestones[-1] > steps:
            yield Complaint(
                name,
                f"a milestone at step {milestones[-1]:,} is behind the {steps:,} steps of training",
                help="a number below 1 is a share of the steps, such as 0.5",
                code="B1307",
                related=("steps",),
            )

    def after(self, step: int, warmup: int, steps: int) -> float:
        if self.every is not None:
            passed = step // max(1, counted(self.every, steps))
        else:
            passed = sum(step >= counted(milestone, steps) for milestone in self.at or ())
        return max(self.minimum, self.gamma**passed)


def _whole(name: str, value: float, what: str = "") -> Iterator[Complaint]:
    """A complaint about a number that is neither steps nor a share of them."""
    if value >= 1 and value != int(value):
        yield Complaint(
            name,
            f"{what or name} is {value:g}: neither a whole number of steps nor a share of them below 1",
            help=f"{int(value)} or {int(value) + 1}",
            code="B1307",
        )
