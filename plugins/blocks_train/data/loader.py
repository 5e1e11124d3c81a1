"""Batches by step, for any number of ranks, with no state: a run resumes from the number of its step alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from blocks import BuildError, UsageError
from blocks_train.data.batch import Batch
from blocks_train.data.corpus import Corpus
from blocks_train.data.modes import Carried, Documents, Mode, Stream
from blocks_train.data.order import by_epoch, mix, permute
from blocks_train.data.table import Collate, Table

Packing: TypeAlias = Literal["stream", "documents", "padded"]


@dataclass(frozen=True)
class Rows:
    """Which rows of a batch of `size` are a rank's: as many for each of `ranks`, in order.

    The batch is the same whatever the number of ranks. Raises UsageError where they do not divide it.
    """

    size: int
    rank: int = 0
    ranks: int = 1

    def __post_init__(self) -> None:
        if self.size % self.ranks:
            raise UsageError.of(
                "B1411",
                f"{self.ranks} processes do not divide a batch of {self.size} rows",
                help=f"train.batch={-(-self.size // self.ranks) * self.ranks}, or another number of processes",
            )

    @property
    def count(self) -> int:
        """Rows of this rank."""
        return self.size // self.ranks

    @property
    def first(self) -> int:
        """The first of them."""
        return self.rank * self.count

    def numbers(self, step: int) -> range:
        """The numbers of this rank's rows at a step, from 0 at the first row of the first one on."""
        start = step * self.size + self.first
        return range(start, start + self.count)


class Loader:
    """Batches of a corpus.

    packing  stream: windows of one long text that tile it, each once an epoch, in an order of its own every epoch
             documents: documents packed to rows of `context`, kept apart by a mask of their numbers
             padded: a document a row, with a mask
    carry    of a stream: row b goes on from step to step, and `Batch.fresh` says when all rows begin anew
    shift    how far ahead a position predicts: 1 the next token, 0 its own, for objectives that hide some
    pad      the id at padding

    Raises BuildError where the corpus is too short for a batch, UsageError where ranks do not divide one.
    """

    def __init__(
        self,
        corpus: Corpus,
        *,
        batch: int,
        context: int,
        packing: Packing = "stream",
        carry: bool = False,
        seed: int = 0,
        shift: int = 1,
        pad: int | None = None,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        self._rows = Rows(batch, rank, ranks)
        self._mode = _mode(corpus, batch, context, packing, carry, seed, shift, pad)

    def batch(self, step: int) -> Batch:
        """This rank's rows of the batch of a step, from 0 on."""
        return self._mode.batch(step, self._rows.first, self._rows.count, self._rows.size)

    def numbers(self, step: int) -> range:
        """The numbers of those rows, from 0 at the first row of the first step on."""
        return self._rows.numbers(step)

    @property
    def rows(self) -> int:
        """Rows of an epoch, over all ranks."""
        return self._mode.rows

    @property
    def efficiency(self) -> float:
        """The share of an epoch's positions that hold a token; the rest is padding."""
        return self._mode.efficiency

    def epoch(self, step: int) -> float:
        """How many epochs have been read before a step."""
        return step * self._rows.size / self.rows


def _mode(
    corpus: Corpus,
    batch: int,
    context: int,
    packing: Packing,
    carry: bool,
    seed: int,
    shift: int,
    pad: int | None,
) -> Mode:
    if packing != "stream":
        if carry:
            raise UsageError.of(
                "B1412",
                f"rows of {packing!r} end with their documents, and cannot go on where they stopped",
                help="train.packing=stream, or train.carry=false",
            )
        filler = corpus.coder.roles.get("pad", 0) if pad is None else pad
        if int(np.diff(corpus.bounds).max(initial=0)) <= shift:
            raise BuildError.of(
                "B1413",
                f"none of {len(corpus):,} documents has more than {shift} tokens, so there is nothing to predict",
                help="longer documents, or train.packing=stream",
            )
        return Documents(corpus, context, shift, seed, packed=packing == "documents", pad=filler)
    rows = batch if carry else 1
    needed = rows * context + shift
    if len(corpus.tokens) < needed:
        what = f"{rows} rows of {context} side by side" if carry else f"a row of {context}"
        raise _too_short(len(corpus.tokens), needed, what)
    if carry:
        return Carried(corpus, context, shift, seed, batch)
    return Stream(corpus, context, shift, seed)


def _too_short(tokens: int, needed: int, what: str) -> BuildError:
    return BuildError.of(
        "B1413",
        f"{tokens:,} tokens are too few for {what}, which takes {needed:,}",
        help="more data, a smaller train.context or train.batch, or a smaller share in train.validation",
    )


class TableLoader:
    """Batches of records with several columns, each record once an epoch, in an order of its own every epoch.

    `collate` makes a batch of rows: the objective says how.
    """

    def __init__(
        self, table: Table, *, batch: int, collate: Collate, seed: int = 0, rank: int = 0, ranks: int = 1
    ) -> None:
        self._rows = Rows(batch, rank, ranks)
        self._table, self._collate, self._seed = table, collate, seed

    def batch(self, step: int) -> Batch:
        """This rank's rows of the batch of a step, from 0 on."""
        found = [
            permute(places, self.rows, mix(self._seed, epoch))
            for epoch, places in by_epoch(self.numbers(step).start, self._rows.count, self.rows)
        ]
        return self._collate([self._table[int(row)] for row in np.concatenate(found)])

    def numbers(self, step: int) -> range:
        """The numbers of those rows, from 0 at the first row of the first step on."""
        return self._rows.numbers(step)

    @property
    def rows(self) -> int:
        """Rows of an epoch, over all ranks."""
        return len(self._table)

    def epoch(self, step: int) -> float:
        """How many epochs have been read before a step."""
        return step * self._rows.size / self.rows
