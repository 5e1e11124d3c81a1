"""What a mask of documents means: where they start, how they are counted, who sees whom."""

import pytest
import torch

from blocks_attention.documents import document_starts, in_order, is_packed, real_positions, visible_keys
from blocks_attention.module import KeyValueCache

DOCUMENTS = torch.tensor([[0, 4, 4, 0, 4, 2, 9, 9, 0, 2, 2]])
"""The run of fours has padding inside; the last twos are another document than the first."""


def test_a_document_is_a_run_of_one_number() -> None:
    assert document_starts(DOCUMENTS).int().tolist() == [[0, 1, 0, 0, 0, 1, 1, 0, 0, 1, 0]]
    assert in_order(DOCUMENTS).tolist() == [[0, 1, 1, 0, 1, 2, 3, 3, 0, 4, 4]]  # type: ignore[union-attr]


def test_positions_count_the_real_tokens_of_a_document() -> None:
    positions = real_positions(DOCUMENTS, 0, 11, DOCUMENTS.device)
    assert positions[DOCUMENTS > 0].tolist() == [0, 1, 2, 0, 0, 1, 0, 1]
    assert torch.equal(real_positions(DOCUMENTS, 4, 7, DOCUMENTS.device), positions[:, 4:7])


def test_who_sees_whom() -> None:
    numbers = in_order(DOCUMENTS)
    assert numbers is not None
    visible = visible_keys(numbers, 3)
    assert visible is not None
    assert visible.shape == (1, 1, 3, 11)
    for query in range(8, 11):
        for key in range(11):
            together = numbers[0, query] == numbers[0, key] != 0
            assert visible[0, 0, query - 8, key] == together


@pytest.mark.parametrize("mask", [None, torch.tensor([[False, True, True]])])
def test_other_masks_are_left_as_they_are(mask: torch.Tensor | None) -> None:
    assert not is_packed(mask)
    assert in_order(mask) is mask
    visible = visible_keys(mask, 3)
    assert visible is None if mask is None else visible is not None and torch.equal(visible[0, 0, 0], mask[0])


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (2, 1)])
def test_small_and_empty_rows(shape: tuple[int, int]) -> None:
    documents = torch.full(shape, 5)
    assert in_order(documents).tolist() == torch.ones(shape, dtype=torch.int64).tolist()  # type: ignore[union-attr]
    assert not real_positions(documents, 0, shape[1], documents.device).any()


def test_neither_takes_a_state_nor_is_one() -> None:
    keys = torch.zeros(1, 1, 2, 4)
    for mask, old in ((DOCUMENTS, None), (None, DOCUMENTS[:, :2])):
        with pytest.raises(ValueError, match="packed documents are given whole, without a state"):
            in_order(mask, KeyValueCache(keys, keys, old))
