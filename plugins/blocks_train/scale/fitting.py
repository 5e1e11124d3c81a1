"""How a model and its batches are cut for ranks."""

from __future__ import annotations

from blocks import Plan, UsageError
from blocks.training import PlannedTraining
from blocks_train.scale.ranks import Ranks


def check_rows(training: PlannedTraining, ranks: Ranks) -> None:
    """Raise UsageError where the parts that a batch is cut into are not of as many rows each."""
    parts = ranks.size * training.accumulate
    if training.batch % parts:
        into = f", {training.accumulate} parts each," if training.accumulate > 1 else ""
        raise UsageError.of(
            "B1411",
            f"{ranks.size} processes{into} do not divide a batch of {training.batch} rows",
            help=f"--set train.batch={-(-training.batch // parts) * parts}, or another number of processes",
        )


def block_paths(plan: Plan) -> list[str]:
    """Paths of all blocks of a model."""
    return [layer.path for stage in plan.stages for layer in stage.layers]
