"""What a step trains on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

IGNORED = -100
"""The target of a position that predicts nothing: what torch's cross entropy leaves out."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows for a model, and what it should say.

    inputs   by the names of the model's arguments: `tokens` int64 [B, T]; `mask` bool [B, T], true at real tokens, or
             int64 [B, T], the number of each position's document in its row from 1 on, 0 at padding; absent where all
             tokens are real and of one text
    targets  int64 [B, T], or [B] where a row has one answer; -100 where nothing is predicted
    fresh    false where each row goes on where the same row of the batch before stopped, so that its state is carried
    """

    inputs: Mapping[str, NDArray[Any]]
    targets: NDArray[np.int64]
    fresh: bool = True

    @property
    def count(self) -> int:
        """How many targets are predicted."""
        return int(np.count_nonzero(self.targets != IGNORED))
