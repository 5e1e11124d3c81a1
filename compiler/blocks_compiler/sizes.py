"""Parameters of a plan without compiling it: of each kind of block, of each stage, and in sum."""

from __future__ import annotations

from collections import Counter

from blocks import Plan
from blocks.blocktype import Layer


class ParameterCounts:
    """Parameters that are shared count once, where they are used first; a tied head owns none.

    counts  kind of block -> number of such blocks
    block   kind of block -> parameters of one, all that stands around its mixer included
    stage   path of a stage -> parameters
    layer   path of a block -> parameters that are its own, where that is not all of them
    """

    def __init__(self, plan: Plan) -> None:
        self.counts = Counter(layer.type for layer in plan.layers)
        self.block = {kind: kind.parameters for kind in self.counts}
        shared = {share.path: share.parameters for share in plan.shares}
        self.layer = {layer.path: layer.parameters for layer in plan.layers if layer.shares is not None}
        slots: Counter[str] = Counter()
        for path, count in shared.items():
            if path.count(".") > 1:
                slots[path.rsplit(".", 2)[0]] += count
        for layer in plan.layers:
            if layer.shares is None and layer.path in slots:
                self.layer[layer.path] = layer.type.parameters - slots[layer.path]
        self.stage = {
            stage.path: sum(map(self.of, stage.layers))
            if stage.component is None
            else stage.component.cost().parameters(stage.width) - shared.get(stage.path, 0)
            for stage in plan.stages
        }
        self.total = sum(self.stage.values())

    def of(self, layer: Layer) -> int:
        """Parameters of one block that are its own."""
        return self.layer.get(layer.path, self.block[layer.type])
