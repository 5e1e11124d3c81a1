"""Packing: every position once, no row too long, and as few rows as best-fit-decreasing one by one."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks_train.data.packing import Pieces, one_a_row, pack, pieces_of

LENGTHS = st.lists(st.integers(0, 40), max_size=60)


def bounds_of(lengths):
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


@settings(deadline=None, max_examples=200)
@given(lengths=LENGTHS, context=st.integers(1, 17), shift=st.integers(0, 2))
def test_pieces_cover_every_position_once(lengths, context, shift):
    bounds = bounds_of(lengths)
    pieces = pieces_of(bounds, context, shift)
    found = [
        position
        for start, length in zip(pieces.starts, pieces.lengths, strict=True)
        for position in range(start, start + length)
    ]
    wanted = [position for start, end in pairwise(bounds) for position in range(start, end - shift)]
    assert found == wanted
    assert ((pieces.lengths >= 1) & (pieces.lengths <= context)).all()


def one_by_one(lengths, context):
    """Best-fit-decreasing as it is defined: the room left in each row."""
    rooms = []
    for length in sorted(lengths, reverse=True):
        fits = [place for place, room in enumerate(rooms) if room >= length]
        if fits:
            best = min(fits, key=lambda place: rooms[place])
            rooms[best] -= length
        else:
            rooms.append(context - length)
    return sorted(rooms)


@settings(deadline=None, max_examples=300)
@given(data=st.data(), context=st.integers(1, 30), key=st.integers(0, 2**64 - 1))
def test_it_is_best_fit_decreasing(data, context, key):
    lengths = np.array(data.draw(st.lists(st.integers(1, context), max_size=80)), np.int64)
    packed = pack(Pieces(np.cumsum(lengths) - lengths, lengths), context, key)
    assert sorted(packed.order.tolist()) == list(range(len(lengths)))
    rows = [lengths[packed.order[start:end]].sum() for start, end in pairwise(packed.bounds)]
    assert sorted(context - row for row in rows) == one_by_one(lengths, context)
    if rows:
        assert packed.efficiency == pytest.approx(lengths.sum() / (len(rows) * context))


def test_the_key_draws_which_piece_goes_where():
    lengths = np.array([5, 3] * 20)
    pieces = Pieces(np.arange(40) * 10, lengths)
    orders = {tuple(pack(pieces, 8, key).order.tolist()) for key in range(5)}
    assert len(orders) == 5
    assert pack(pieces, 8, 3).order.tolist() == pack(pieces, 8, 3).order.tolist()
    assert pack(pieces, 8, 0).efficiency == 1


def test_one_a_row():
    lengths = np.array([3, 8, 1])
    layout = one_a_row(Pieces(np.zeros(3, np.int64), lengths), 8)
    assert (layout.rows, layout.efficiency) == (3, 0.5)


def test_many_documents_of_all_lengths_leave_little_padding():
    generator = np.random.default_rng(0)
    lengths = np.minimum(generator.lognormal(6, 1.2, 300_000).astype(np.int64) + 2, 100_000)
    packed = pack(pieces_of(bounds_of(lengths), 32_768, 1), 32_768, 0)
    assert packed.efficiency > 0.99
