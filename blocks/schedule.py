"""Schedules: how the learning rate moves from step to step."""

from __future__ import annotations

from collections.abc import Iterator

from blocks.component import Complaint, Component


class Schedule(Component):
    """The learning rate's factor at every step. It computes in plain Python, so it has no module."""

    kind = "schedule"

    def factor(self, step: int, steps: int) -> float:
        """What the optimizer's `lr` is multiplied with for step number `step` of `steps`, from 0 on.

        A pure function of its arguments and options, also defined beyond `steps`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define factor")

    def check_steps(self, steps: int) -> Iterator[Complaint]:
        """Yield what is wrong with the options for a training of so many steps."""
        return iter(())
