"""The batches of a run: the loader's, with what the objective asks of them."""

from __future__ import annotations

from dataclasses import dataclass

from blocks import Coder, Objective
from blocks_train.data import Batch, Loader


@dataclass(frozen=True)
class Asking:
    """What an objective draws follows from the seed and the numbers of rows alone."""

    loader: Loader
    objective: Objective
    seed: int
    coder: Coder

    def batch(self, step: int) -> Batch:
        """What the step trains on."""
        read = self.loader.batch(step)
        inputs, targets = self.objective.change(
            read.inputs, read.targets, rows=self.loader.numbers(step), seed=self.seed, coder=self.coder
        )
        return Batch(inputs, targets, read.fresh)
