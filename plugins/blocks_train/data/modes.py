"""How rows are laid out over a corpus: windows of a stream, carried lanes, packed documents, padded documents.

Letters: B rows of a batch over all ranks, T positions of a row, M tokens of the corpus. Position i of a row that starts
at token s reads token s + i and predicts token s + i + shift.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from blocks_train.data.batch import IGNORED, Batch
from blocks_train.data.corpus import Corpus
from blocks_train.data.order import by_epoch, mix, permute
from blocks_train.data.packing import Packed, one_a_row, pack, pieces_of

Int64 = NDArray[np.int64]
_ORDER, _PHASE, _PACK = range(3)  # what a number drawn from the seed is for


class Mode(ABC):
    """Rows by number. `rows` is how many an epoch has; `efficiency` the share of positions that hold a token."""

    rows: int
    efficiency: float = 1.0

    def __init__(self, corpus: Corpus, context: int, shift: int, seed: int) -> None:
        self.tokens = np.asarray(corpus.tokens)  # no subclass: indexing a memmap costs thrice as much
        self.context, self.shift, self.seed = context, shift, seed
        self._along = np.arange(context + shift)

    @abstractmethod
    def batch(self, step: int, first: int, count: int, size: int) -> Batch:
        """Rows `first` to `first + count` of the batch of `size` rows at a step."""

    def drawn(self, first: int, count: int) -> list[tuple[int, Int64]]:
        """The rows of an epoch that come at some places of the endless run through epochs, in shuffled order."""
        return [
            (epoch, permute(places, self.rows, mix(self.seed, epoch, _ORDER)))
            for epoch, places in by_epoch(first, count, self.rows)
        ]

    def windows(self, starts: Int64, *, fresh: bool = True) -> Batch:
        """Full rows of T positions from these tokens on."""
        found = self.tokens[starts[:, None] + self._along].astype(np.int64)
        return Batch({"tokens": found[:, : self.context]}, found[:, self.shift :], fresh)


class Stream(Mode):
    """Windows that tile the corpus, each once an epoch, in shuffled order.

    Where the tiling begins is drawn anew for every epoch, so windows start anywhere, as nanoGPT's do; drawn with
    replacement as there, an epoch's worth of windows would leave out a share 1/e of the tokens. What the tiling leaves
    out at the two ends is less than two windows, and not the same from epoch to epoch.
    """

    def __init__(self, corpus: Corpus, context: int, shift: int, seed: int) -> None:
        super().__init__(corpus, context, shift, seed)
        self.positions = len(self.tokens) - shift
        self.rows = max(1, (self.positions + 1) // context - 1)

    def phase(self, epoch: int) -> int:
        """The token at which the first window of an epoch begins."""
        spare = min(self.context - 1, self.positions - self.rows * self.context)
        return mix(self.seed, epoch, _PHASE) % (spare + 1)

    def batch(self, step: int, first: int, count: int, size: int) -> Batch:
        starts = [
            self.phase(epoch) + rows * self.context for epoch, rows in self.drawn(step * size + first, count)
        ]
        return self.windows(np.concatenate(starts))


class Carried(Mode):
    """B lanes side by side; row b reads lane b from step to step, and all begin anew together at its end.

    The batches of truncated backpropagation through time, as of Zaremba et al. 2014 (arXiv:1409.2329).
    """

    def __init__(self, corpus: Corpus, context: int, shift: int, seed: int, size: int) -> None:
        super().__init__(corpus, context, shift, seed)
        self.positions = len(self.tokens) - shift
        self.steps = self.positions // (size * context)
        self.rows = self.steps * size

    def batch(self, step: int, first: int, count: int, size: int) -> Batch:
        epoch, here = divmod(step, self.steps)
        spare = self.positions - self.rows * self.context
        lane = np.arange(first, first + count) * (self.steps * self.context)
        phase = mix(self.seed, epoch, _PHASE) % (spare + 1)
        return self.windows(phase + lane + here * self.context, fresh=here == 0)


class Documents(Mode):
    """Documents, or pieces of long ones, in rows of T positions, padded where none fits."""

    def __init__(
        self, corpus: Corpus, context: int, shift: int, seed: int, *, packed: bool, pad: int
    ) -> None:
        super().__init__(corpus, context, shift, seed)
        pieces = pieces_of(np.asarray(corpus.bounds), context, shift)
        self.packed, self.pad = packed, pad
        self.layout: Packed = (
            pack(pieces, context, mix(seed, _PACK)) if packed else one_a_row(pieces, context)
        )
        self.rows, self.efficiency = self.layout.rows, self.layout.efficiency

    def batch(self, step: int, first: int, count: int, size: int) -> Batch:
        rows = np.concatenate([rows for _, rows in self.drawn(step * size + first, count)])
        layout, pieces = self.layout, self.layout.pieces
        tokens = np.full((count, self.context), self.pad, np.int64)
        targets = np.full((count, self.context), IGNORED, np.int64)
        numbers = np.zeros((count, self.context), np.int64)
        for at, row in enumerate(rows):
            place = 0
            members = layout.order[layout.bounds[row] : layout.bounds[row + 1]]
            for number, piece in enumerate(members, start=1):
                start, length = pieces.starts[piece], pieces.lengths[piece]
                end = place + length
                tokens[at, place:end] = self.tokens[start : start + length]
                targets[at, place:end] = self.tokens[start + self.shift : start + self.shift + length]
                numbers[at, place:end] = number
                place = end
        return Batch({"tokens": tokens, "mask": numbers if self.packed else numbers > 0}, targets)
