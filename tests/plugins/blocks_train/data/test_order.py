"""An epoch's order is a permutation for any number of items, random to look at, and found place by place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks_train.data.order import by_epoch, mix, permute

KEYS = st.integers(0, 2**64 - 1)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 3000), KEYS)
def test_it_is_a_permutation(size, key):
    found = permute(np.arange(size), size, key)
    assert sorted(found.tolist()) == list(range(size))


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 2**50), KEYS, st.data())
def test_a_place_is_found_alone_and_no_two_meet(size, key, data):
    places = data.draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=20, unique=True))
    found = permute(np.array(places), size, key)
    assert [int(permute(np.array([place]), size, key)[0]) for place in places] == found.tolist()
    assert len(set(found.tolist())) == len(places)
    assert (found >= 0).all()
    assert (found < size).all()


def chi_square(counts: np.ndarray) -> float:
    """The statistic of Pearson (1900) against equal chances."""
    expected = counts.sum() / counts.size
    return float(((counts - expected) ** 2 / expected).sum())


@pytest.mark.parametrize("size", [2, 3, 7, 10, 30])
def test_every_item_is_as_likely_at_every_place(size):
    counts = np.zeros((size, size))
    for seed in range(2000):
        counts[np.arange(size), permute(np.arange(size), size, mix(seed, 1))] += 1
    for row in counts:
        freedom = size - 1
        assert chi_square(row) < freedom + 5 * np.sqrt(2 * freedom) + 10


@pytest.mark.parametrize("size", [5, 8, 16, 30])
def test_the_item_after_another_is_any_other(size):
    counts = np.zeros((size, size))
    for seed in range(1500):
        order = permute(np.arange(size), size, mix(seed))
        np.add.at(counts, (order[:-1], order[1:]), 1)
    others = counts[~np.eye(size, dtype=bool)]
    freedom = others.size - 1
    assert np.diag(counts).sum() == 0
    assert chi_square(others) < freedom + 3 * np.sqrt(2 * freedom)


def test_numbers_are_mixed_by_value_and_by_order():
    found = {
        mix(*numbers) for numbers in [(), (0,), (0, 0), (1,), (1, 0), (0, 1), (2**64 - 1,), (5, 7), (7, 5)]
    }
    assert len(found) == 9
    assert all(0 <= number < 2**64 for number in found)


def test_the_order_stays_what_it_was():
    """A run that is resumed with a later version reads on where it was."""
    assert mix(1, 2, 3) == 15020427595393229491
    assert permute(np.arange(8), 1000, 42).tolist() == [225, 120, 260, 305, 344, 146, 616, 484]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.integers(0, 50), st.integers(1, 20))
def test_rows_run_through_one_epoch_after_the_other(first, count, size):
    found = [(epoch, int(place)) for epoch, places in by_epoch(first, count, size) for place in places]
    assert found == [divmod(row, size) for row in range(first, first + count)]
