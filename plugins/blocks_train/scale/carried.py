"""States that rows carry from batch to batch, dealt anew among another number of ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


def dealt(before: Sequence[Sequence[Any]], batch: int, ranks: int, parts: int) -> list[list[Any]]:
    """States of the parts of each of `ranks` ranks, from those that another number of them left.

    A batch of `batch` rows is cut into as many parts for each rank, in order; the first dimension of a tensor is the
    rows of its part. Raises ValueError for a state that is not of rows alone.
    """
    pieces = [state for states in before for state in states]
    if not pieces:
        return [[] for _ in range(ranks)]
    if len(before) == ranks:
        return [list(states) for states in before]
    rows = batch // len(pieces)
    made = _cut(pieces, rows, batch // (ranks * parts), ranks * parts)
    return [made[rank * parts : (rank + 1) * parts] for rank in range(ranks)]


def _cut(pieces: Sequence[Any], rows: int, size: int, count: int) -> list[Any]:
    """`count` trees of `size` rows each, from trees of `rows` rows."""
    first = pieces[0]
    if isinstance(first, Tensor):
        if first.dim() and all(piece.shape[0] == rows for piece in pieces):
            return list(torch.split(torch.cat([*pieces]), size))
        if all(torch.equal(piece, first) for piece in pieces):
            return [first] * count
        raise ValueError("what rows carry here cannot be dealt to another number of processes")
    if isinstance(first, Mapping):
        inner = {key: _cut([piece[key] for piece in pieces], rows, size, count) for key in first}
        return [{key: inner[key][at] for key in first} for at in range(count)]
    if isinstance(first, tuple | list):
        fields = [_cut([piece[at] for piece in pieces], rows, size, count) for at in range(len(first))]
        turned = [[field[at] for field in fields] for at in range(count)]
        if hasattr(first, "_fields"):
            return [type(first)(*values) for values in turned]
        return [type(first)(values) for values in turned]
    if any(piece != first for piece in pieces):
        raise ValueError("what rows carry here cannot be dealt to another number of processes")
    return [first] * count
