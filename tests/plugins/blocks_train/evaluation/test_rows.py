"""Windows and pieces: every token is scored once, after as much context as there is room for."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks_train.evaluation.rows import carried, in_windows, windows

LENGTHS = st.lists(st.integers(2, 40), min_size=1, max_size=7)
SIZES = st.integers(1, 17)


def documents(lengths):
    """Documents of which every token says which document it is of, and where it stands."""
    return [1000 * number + np.arange(length) for number, length in enumerate(lengths, start=1)]


def wanted(texts):
    return Counter(token for text in texts for token in text[1:].tolist())


@given(length=st.integers(1, 60), context=SIZES, data=st.data())
def test_windows_score_each_position_once_and_look_far_back(length, context, data):
    stride = data.draw(st.integers(1, context))
    found = list(windows(length, context, stride))
    assert [p for _, end, scored in found for p in range(scored, end)] == list(range(length))
    for start, end, scored in found:
        assert 0 <= start <= scored < end <= length
        assert end - start == min(context, length)
        assert start == 0 or scored - start >= context - stride


@given(lengths=LENGTHS, context=SIZES, batch=st.integers(1, 4), data=st.data())
def test_rows_of_windows_predict_the_token_that_follows(lengths, context, batch, data):
    texts = documents(lengths)
    scored = Counter()
    for rows in in_windows(texts, context, data.draw(st.integers(1, context)), batch):
        assert rows.tokens.shape == rows.targets.shape
        assert len(rows.tokens) <= batch
        assert rows.tokens.shape[1] <= context
        assert rows.carried == 0
        asked = rows.targets != -100
        assert (rows.targets[asked] == rows.tokens[asked] + 1).all()
        scored.update(rows.targets[asked].tolist())
    assert scored == wanted(texts)


@given(lengths=LENGTHS, context=SIZES, batch=st.integers(1, 4))
def test_pieces_go_on_in_the_row_that_they_began_in(lengths, context, batch):
    texts = documents(lengths)
    scored, last = Counter(), []
    for rows in carried(texts, context, batch):
        asked = rows.targets != -100
        assert (rows.targets[asked] == rows.tokens[asked] + 1).all()
        scored.update(rows.targets[asked].tolist())
        begins = [int(row[0]) for row in rows.tokens]
        if rows.carried:
            assert rows.carried == len(begins) <= len(last)
            assert begins == last[: len(begins)]
            assert rows.tokens.shape[1] <= context
        else:
            assert all(begin % 1000 == 0 for begin in begins)
        last = [int(row[good][-1]) for row, good in zip(rows.targets, asked, strict=True)]
    assert scored == wanted(texts)


@pytest.mark.parametrize(
    ("length", "expected"), [(3, [(0, 3, 0)]), (4, [(0, 4, 0)]), (5, [(0, 4, 0), (1, 5, 4)])]
)
def test_the_last_window_is_as_long_as_the_others(length, expected):
    assert list(windows(length, 4, 2)) == expected
