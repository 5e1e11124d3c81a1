"""Optimizers: what a gradient does to the weights."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from blocks.component import Component


class Optimizer(Component):
    """How weights follow their gradients.

    Its `module` is "package.module:function", called as `function(model, options) -> torch.optim.Optimizer`. Every
    parameter group of what it returns has the key `initial_lr`, torch's name for the rate that a schedule scales.
    """

    kind = "optimizer"

    lr: float = Field(1e-3, gt=0, description="learning rate where the schedule's factor is 1")

    def options(self) -> dict[str, Any]:
        """The options by name, as its function takes them."""
        return {name: getattr(self, name) for name in type(self).model_fields}

    def floats(self) -> int:
        """Numbers in float32 that it keeps of each parameter."""
        return 2
