"""States of rows go to the ranks that the rows go to."""

from typing import NamedTuple

import pytest
import torch

from blocks_train.scale.carried import dealt


class State(NamedTuple):
    rows: torch.Tensor
    place: torch.Tensor


def states(ranks: int, parts: int) -> list[list[dict]]:
    """Of 8 rows, whose state is their number."""
    pieces = [
        {"layers": (State(rows[:, None], torch.tensor(5)), None, 3)}
        for rows in torch.arange(8).split(8 // (ranks * parts))
    ]
    return [pieces[rank * parts : (rank + 1) * parts] for rank in range(ranks)]


@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 4), (4, 2), (2, 2)])
def test_rows_keep_their_states(before: int, after: int) -> None:
    found = dealt(states(before, 2), 8, after, 2)
    for mine, wanted in zip(found, states(after, 2), strict=True):
        for one, other in zip(mine, wanted, strict=True):
            (state, nothing, number), (meant, *_) = one["layers"], other["layers"]
            assert type(state) is State
            assert torch.equal(state.rows, meant.rows)
            assert torch.equal(state.place, torch.tensor(5))
            assert (nothing, number) == (None, 3)


def test_nothing_is_dealt_where_nothing_is_carried() -> None:
    assert dealt([[], []], 8, 4, 2) == [[], [], [], []]


def test_what_is_not_of_rows_has_to_be_the_same() -> None:
    wrong = states(2, 2)
    wrong[1][0]["layers"] = (State(torch.arange(2)[:, None], torch.tensor(6)), None, 3)
    assert dealt(wrong, 8, 2, 2) == wrong
    with pytest.raises(ValueError, match="cannot be dealt"):
        dealt(wrong, 8, 1, 2)
    wrong = states(2, 2)
    wrong[1][0]["layers"] = (wrong[0][0]["layers"][0], None, 4)
    with pytest.raises(ValueError, match="cannot be dealt"):
        dealt(wrong, 8, 1, 2)
