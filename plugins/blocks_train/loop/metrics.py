"""What is measured, as lines of JSON: one a step, one an evaluation; and to TensorBoard where that is asked for.

A step          {"step", "loss", "perplexity", "lr", "gradient_norm", "tokens", "tokens_per_second", "seconds"}
an evaluation   {"step", "validation_loss", "validation_perplexity", "seconds"}

Losses are in nats a target; `tokens` are those trained on so far, `seconds` the time of training so far, that before an
interruption included. A disk that is full loses lines and no more: training goes on.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from blocks import BlocksError
from blocks_train.loop.run_folder import METRICS

TENSORBOARD = "tensorboard"


class Metrics:
    """Writes the metrics of a run; `warn` is told once where that fails."""

    def __init__(self, run: Path, *, board: Any = None, warn: Callable[[str], None] | None = None) -> None:
        self.path, self.board = run / METRICS, board
        self.warn = warn or (lambda text: print(text, file=sys.stderr))
        self._stream: IO[str] | None = None
        self._failed = False

    def write(self, step: int, **values: float | None) -> None:
        """Write a line, which is in the file when this returns."""
        line = {"step": step} | {name: _finite(value) for name, value in values.items() if value is not None}
        try:
            if self._stream is None:
                self._stream = self.path.open("a", encoding="utf-8")
            self._stream.write(json.dumps(line) + "\n")
            self._stream.flush()
        except OSError as error:
            if not self._failed:
                self.warn(
                    f"{self.path.name} cannot be written: {error.strerror or error}; training goes on without it"
                )
            self._failed = True
        if self.board is not None:
            for name, value in values.items():
                if value is not None:
                    self.board.add_scalar(name, value, step)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if self._stream is not None:
                self._stream.close()
        except OSError:
            pass
        if self.board is not None:
            self.board.close()


def open_board(run: Path, step: int) -> Any:
    """TensorBoard's writer for a run that goes on from a step. Raises BlocksError where it is not installed."""
    return board_writer()(str(run / TENSORBOARD), purge_step=step + 1)


def board_writer() -> Any:
    """The class of TensorBoard's writers. Raises BlocksError where it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise BlocksError.of(
            "B0806", f"TensorBoard is not installed ({error})", help='pip install "blocks-dsl[tensorboard]"'
        ) from None
    return SummaryWriter


def perplexity(loss: float) -> float:
    """e^loss; infinite where that is beyond a float."""
    try:
        return math.exp(loss)
    except OverflowError:
        return math.inf


def _finite(value: float) -> float | str:
    """JSON has no words for nan and infinity: "nan", "inf"."""
    return value if math.isfinite(value) else str(value)
