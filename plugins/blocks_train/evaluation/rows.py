"""How a text is cut for a model: windows that overlap, or pieces that go on from the state that the one before left.

Position i of a document of M tokens reads token i and predicts token i + 1; there are n = M - 1 of them, each scored
once. Letters: B rows, T positions of a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

IGNORED = -100
Documents = Sequence[NDArray[Any]]


@dataclass(frozen=True)
class Rows:
    """What the model reads at once: tokens int64 [B, T], targets int64 [B, T], -100 where nothing is scored.

    carried   how many of these rows go on from the state of the ones before, which are its first; 0: all begin anew
    """

    tokens: NDArray[np.int64]
    targets: NDArray[np.int64]
    carried: int = 0


def windows(length: int, context: int, stride: int) -> Iterator[tuple[int, int, int]]:
    """Windows over `length` positions: where each begins and ends, and the first position that it scores.

    The first one scores all of its positions, each further one the `stride` that follow, after as many tokens as the
    context has room for: context - stride + 1 at least.
    """
    end = min(context, length)
    yield 0, end, 0
    while end < length:
        scored, end = end, min(end + stride, length)
        yield end - context, end, scored


def in_windows(documents: Documents, context: int, stride: int, batch: int) -> Iterator[Rows]:
    """Rows of windows, padded on the right, where a causal model does not look."""
    held: list[
        tuple[NDArray[Any], int]
    ] = []  # tokens of a window and the one after it, and where scoring begins
    for document in documents:
        for start, end, scored in windows(len(document) - 1, context, stride):
            held.append((document[start : end + 1], scored - start))
            if len(held) == batch:
                yield _rows(held)
                held = []
    if held:
        yield _rows(held)


def _rows(held: list[tuple[NDArray[Any], int]], carried: int = 0) -> Rows:
    width = max(len(tokens) for tokens, _ in held) - 1
    tokens = np.zeros((len(held), width), np.int64)
    targets = np.full((len(held), width), IGNORED, np.int64)
    for row, (found, scored) in enumerate(held):
        tokens[row, : len(found) - 1] = found[:-1]
        targets[row, scored : len(found) - 1] = found[scored + 1 :]
    return Rows(tokens, targets, carried)


def carried(documents: Documents, context: int, batch: int) -> Iterator[Rows]:
    """Pieces of `context` positions of as many documents side by side, the longest first.

    A document that is done falls away; those that go on are the first ones. Padding stands behind a document's last
    token.
    """
    order = sorted(range(len(documents)), key=lambda index: -len(documents[index]))
    for first in range(0, len(order), batch):
        group = [documents[index] for index in order[first : first + batch]]
        for start in range(0, len(group[0]) - 1, context):
            held = [(part, 0) for each in group if len(part := each[start : start + context + 1]) > 1]
            yield _rows(held, len(held) if start else 0)
