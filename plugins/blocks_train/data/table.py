"""Records with several columns, and batches of them: source and target, image and label."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from blocks_train.data.batch import IGNORED, Batch
from blocks_train.data.columns import Array
from blocks_train.data.corpus import Corpus, too_small

Row: TypeAlias = Mapping[str, NDArray[Any]]
"""One record: token ids of a text, or numbers, by column."""
Collate: TypeAlias = Callable[[Sequence[Row]], Batch]
"""How rows become a batch: what an objective says."""


@dataclass(frozen=True, eq=False)
class Table:
    """N records, from `start` on, of columns in memory-mapped files."""

    columns: Mapping[str, Corpus | Array]
    digest: str
    start: int = 0
    stop: int | None = None

    @property
    def end(self) -> int:
        """The record that is the first not to be part of it."""
        return len(next(iter(self.columns.values()))) if self.stop is None else self.stop

    def __len__(self) -> int:
        return self.end - self.start

    def __getitem__(self, index: int) -> Row:
        at = range(self.start, self.end)[index]
        return {
            name: column.document(at) if isinstance(column, Corpus) else column[at]
            for name, column in self.columns.items()
        }

    def corpus(self, name: str) -> Corpus:
        """A column of text, all its records."""
        column = self.columns[name]
        assert isinstance(column, Corpus), f"{name} is a column of numbers"
        return column

    def split(self, share: float) -> tuple[Table, Table | None]:
        """The first floor((1 - share) N) records, and the rest to measure by; None where the share is 0.

        Raises BuildError where a side would be empty.
        """
        if not share:
            return self, None
        first = math.floor((1 - Fraction(str(share))) * len(self))
        if not 0 < first < len(self):
            raise too_small(share, len(self), "records", first)
        middle = self.start + first
        return (
            Table(self.columns, self.digest, self.start, middle),
            Table(self.columns, self.digest, middle, self.end),
        )


def pairs(*, pad: int, begin: int, context: int | None = None) -> Collate:
    """Batches for a model that reads `source` and writes `target`: translation, summaries.

    inputs   source, target int64 [B, S], [B, T]; source_mask, target_mask bool, true at real tokens
    targets  the target's tokens y_1 … y_n; the model reads begin, y_1 … y_{n-1}

    S and T are the longest of the batch, at most `context`; what is longer is cut.
    """

    def collate(rows: Sequence[Row]) -> Batch:
        source, source_mask = padded([row["source"][:context] for row in rows], pad)
        answers = [row["target"][:context] for row in rows]
        read = [np.concatenate([[begin], answer[:-1]])[: len(answer)] for answer in answers]
        target, target_mask = padded(read, pad)
        targets, _ = padded(answers, IGNORED)
        inputs = {
            "source": source,
            "target": target,
            "source_mask": source_mask,
            "target_mask": target_mask,
        }
        return Batch(inputs, targets)

    return collate


def labelled(name: str, *, scale: float = 1.0, column: str = "image") -> Collate:
    """Batches for a model that gives one answer a row: inputs {name: float32 [B, …] times `scale`}, targets `label`."""

    def collate(rows: Sequence[Row]) -> Batch:
        values = np.stack([row[column] for row in rows]).astype(np.float32) * np.float32(scale)
        return Batch({name: values}, np.array([int(row["label"]) for row in rows], np.int64))

    return collate


def padded(rows: Sequence[NDArray[Any]], filler: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Rows of different lengths as one array, filled up at the end, and where they are real."""
    lengths = np.array([len(row) for row in rows])
    real = np.arange(lengths.max(initial=0)) < lengths[:, None]
    found = np.full(real.shape, filler, np.int64)
    found[real] = np.concatenate([np.asarray(row, np.int64) for row in rows])
    return found, real
