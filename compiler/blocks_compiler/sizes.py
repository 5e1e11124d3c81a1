"""Parameters of a plan without compiling it: of each kind of block, of each stage, and in sum."""

from __future__ import annotations

from collections import Counter

from blocks import Plan


class ParameterCounts:
    """A tied head owns no parameters, so tied weights count once.

    counts  kind of block -> number of such blocks
    block   kind of block -> parameters of one, its norm included
    stage   path of a stage -> parameters
    """

    def __init__(self, plan: Plan) -> None:
        width = plan.sizes.d_model
        self.counts = Counter(layer.type for layer in plan.layers)
        self.block = {kind: kind.parameters(width) for kind in self.counts}
        self.stage = {
            stage.path: sum(self.block[layer.type] for layer in stage.layers)
            if stage.component is None
            else stage.component.cost().parameters(width)
            for stage in plan.stages
        }
        self.total = sum(self.stage.values())
