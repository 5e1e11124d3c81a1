"""Records as an objective reads them: which columns it has, and how rows become a batch."""

from __future__ import annotations

from collections.abc import Sequence

from blocks import Coder, Objective
from blocks_train.data.batch import Batch
from blocks_train.data.columns import Column, Numbers, Text
from blocks_train.data.table import Collate, Row


def columns_of(objective: Objective, coder: Coder | None) -> dict[str, Column]:
    """The columns that an objective reads; a coder is needed where one of them is text."""
    found: dict[str, Column] = {}
    for name in objective.reads:
        if name in objective.numbers:
            found[name] = Numbers(objective.numbers[name])
        else:
            assert coder is not None, f"{name} is text"
            found[name] = Text(coder)
    return found


def gathered(objective: Objective, coder: Coder | None, context: int) -> Collate:
    """What makes a batch of records: the objective, which says what the model reads of them."""

    def collate(rows: Sequence[Row]) -> Batch:
        return Batch(*objective.gather(rows, coder=coder, context=context))

    return collate
