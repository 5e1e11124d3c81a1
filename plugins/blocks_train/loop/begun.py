"""Where a run is to be: whether it can begin there, or from where it goes on."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blocks_train.loop.checkpoints import Checkpoint, newest
from blocks_train.loop.metrics import board_writer
from blocks_train.loop.request import request
from blocks_train.loop.resume import check_free, run_to_resume


@dataclass(frozen=True)
class Begun:
    """Where a run is, and what is there of it already."""

    run: Path
    before: dict[str, Any] | None
    found: Checkpoint | None


def begin(args: Namespace, say: Callable[[str], object]) -> Begun:
    """Look at the folder of the run. Raises BlocksError where it cannot begin or go on there."""
    if args.tensorboard:
        board_writer()
    before = run_to_resume(args.output) if args.resume and args.output is not None else None
    made = request(args, before)
    run: Path = args.output or Path("runs") / made.recipe().recipe
    if args.resume:
        before = before or run_to_resume(run)
    else:
        check_free(run)
    for note in made.notes:
        say(f"note: {note}")
    return Begun(run, before, newest(run) if before is not None else None)
