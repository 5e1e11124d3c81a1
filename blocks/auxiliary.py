"""Auxiliary losses: terms beside the objective that are read off a model's state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from blocks.component import Complaint, Component

if TYPE_CHECKING:
    from blocks.planned import Plan


class Auxiliary(Component):
    """A term that training adds to the objective, weighted: how evenly experts are used, for one.

    Its `module` is "package.module:function", called as `function(state) -> Tensor` with what the model returned,
    for a scalar with a gradient.
    """

    kind = "auxiliary"

    def check_plan(self, plan: Plan) -> Iterator[Complaint]:
        """Yield why a model of this plan has no such term."""
        return iter(())
