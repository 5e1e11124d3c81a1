"""Telling a run that has diverged from one whose loss is noisy.

A loss counts as high where it is more than twice the median of the last 100 and worse than that of the first step,
which is about that of guessing. One high loss is noise, and training recovers from some of them: 10 in a row are a
divergence. High losses do not enter the median, so a run that stays high is still measured by what it was before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from statistics import median
from typing import Any

WINDOW = 100
FACTOR = 2.0
PATIENCE = 10


class Watch:
    """Follows the losses of a run; `spiking` since which step, if it is."""

    def __init__(self, first: float | None = None, recent: Iterable[float] = (), high: int = 0) -> None:
        self.first = first
        self.recent: deque[float] = deque(recent, maxlen=WINDOW)
        self.high = high
        """How many of the last steps in a row were high."""

    def see(self, loss: float) -> bool:
        """Take the loss of a step; whether the run has diverged."""
        if self.first is None:
            self.first = loss
        usual = median(self.recent) if self.recent else loss
        if loss > max(FACTOR * usual, self.first):
            self.high += 1
        else:
            self.high = 0
            self.recent.append(loss)
        return self.high >= PATIENCE

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds of it."""
        return {"first": self.first, "recent": list(self.recent), "high": self.high}
