"""Pieces of documents in rows of one length, with as few rows as best-fit-decreasing finds.

Longest pieces first, each into the fullest row that still has room (Ding et al. 2024, "Fewer Truncations Improve
Language Modeling", arXiv:2404.10830). Pieces of one length are interchangeable, so it is done on the histogram of
lengths, as Krell et al. 2021 (arXiv:2107.02027, "longest-pack-first") do: the work depends on the number of different
lengths, not on the number of documents, which are only sorted.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from blocks_train.data.order import permute

Int64 = NDArray[np.int64]


@dataclass(frozen=True)
class Pieces:
    """Parts of documents, at most `context` positions each: position i reads token i and predicts token i + shift.

    starts   int64 [P], the first token of each
    lengths  int64 [P], at least 1
    """

    starts: Int64
    lengths: Int64

    def __len__(self) -> int:
        return len(self.starts)


def pieces_of(bounds: Int64, context: int, shift: int) -> Pieces:
    """Every position of every document, in pieces; a document of n tokens has n - shift positions.

    A document longer than `context` is cut; the last position of a piece still predicts the document's next token, so
    nothing is lost by it but the sight of what came before. Documents without a position have no piece.
    """
    positions = np.maximum(np.diff(bounds) - shift, 0)
    parts = -(-positions // context)
    document = np.repeat(np.arange(len(parts)), parts)
    number = np.arange(len(document)) - np.repeat(np.cumsum(parts) - parts, parts)
    starts = bounds[:-1][document] + number * context
    lengths = np.minimum(positions[document] - number * context, context)
    return Pieces(starts, lengths)


@dataclass(frozen=True)
class Packed:
    """Rows of pieces: row r holds pieces `order[bounds[r]:bounds[r + 1]]`, one after the other."""

    pieces: Pieces
    order: Int64
    bounds: Int64
    context: int

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.bounds) - 1

    @cached_property
    def efficiency(self) -> float:
        """The share of the rows' positions that hold a token."""
        return int(self.pieces.lengths.sum()) / max(1, self.rows * self.context)


def one_a_row(pieces: Pieces, context: int) -> Packed:
    """Each piece in a row of its own."""
    return Packed(pieces, np.arange(len(pieces)), np.arange(len(pieces) + 1), context)


def pack(pieces: Pieces, context: int, key: int) -> Packed:
    """Pack by best-fit-decreasing; which of the pieces of one length goes where is drawn by `key`."""
    count = len(pieces)
    if count == 0:
        return one_a_row(pieces, context)
    shuffled = permute(np.arange(count), count, key)
    by_length = shuffled[np.argsort(pieces.lengths[shuffled], kind="stable")]
    histogram = np.bincount(pieces.lengths, minlength=context + 1)
    taken = np.cumsum(histogram) - histogram  # of by_length, the next piece of each length
    orders, sizes = [], []
    for lengths, rows in _plan(histogram, context):
        block = np.empty((rows, len(lengths)), np.int64)
        for column, length in enumerate(lengths):
            block[:, column] = by_length[taken[length] : taken[length] + rows]
            taken[length] += rows
        orders.append(block.reshape(-1))
        sizes.append(np.full(rows, len(lengths)))
    bounds = np.concatenate([[0], np.cumsum(np.concatenate(sizes))])
    return Packed(pieces, np.concatenate(orders), bounds, context)


def _plan(histogram: Int64, context: int) -> Iterator[tuple[tuple[int, ...], int]]:
    """Kinds of rows: the lengths of their pieces, and how many such rows there are.

    A group of equal rows is treated as one. The fullest row takes pieces of one length as long as it has room, as it
    stays the fullest, so a whole group takes them at once.
    """
    groups = _Groups()
    for length in map(int, np.flatnonzero(histogram)[::-1]):
        left = int(histogram[length])
        while left:
            lengths, rows, room = groups.fullest(length) or ((), left, context)
            each = room // length
            whole, rest = divmod(left, each)
            if whole >= rows:
                whole, rest = rows, 0
            groups.put((*lengths, *[length] * each), whole, room - each * length)
            groups.put((*lengths, *[length] * rest), int(rest > 0), room - rest * length)
            if lengths:
                groups.put(lengths, rows - whole - (rest > 0), room)
            left -= whole * each + rest
    yield from groups.all()


class _Groups:
    """Groups of equal rows, by the room that is left in each of their rows."""

    def __init__(self) -> None:
        self._groups: dict[int, list[tuple[tuple[int, ...], int]]] = {}
        self._rooms: list[int] = []  # those that have a group, in order

    def put(self, lengths: tuple[int, ...], rows: int, room: int) -> None:
        """Add a group of `rows` rows, unless it is empty."""
        if rows == 0:
            return
        if room not in self._groups:
            insort(self._rooms, room)
        self._groups.setdefault(room, []).append((lengths, rows))

    def fullest(self, length: int) -> tuple[tuple[int, ...], int, int] | None:
        """Take out a group with the least room that is enough: lengths, rows, room."""
        place = bisect_left(self._rooms, length)
        if place == len(self._rooms):
            return None
        room = self._rooms[place]
        lengths, rows = self._groups[room].pop()
        if not self._groups[room]:
            del self._groups[room], self._rooms[place]
        return lengths, rows, room

    def all(self) -> Iterator[tuple[tuple[int, ...], int]]:
        """Every group, the fullest rows first."""
        for room in self._rooms:
            yield from self._groups[room]
