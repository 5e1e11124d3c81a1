"""The classifier: BERT's and GPT-2's on their weights, and pooling that padding does not change."""

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, GPT2Config, GPT2ForSequenceClassification

from blocks_heads.module import ClassifierHead, pool_tokens

POOLS = ["first", "mean", "last"]


def test_with_a_pooler_it_is_berts() -> None:
    config = BertConfig(
        vocab_size=12,
        hidden_size=8,
        num_attention_heads=2,
        num_hidden_layers=1,
        intermediate_size=8,
        num_labels=3,
    )
    theirs = BertForSequenceClassification(config).eval()
    ours = ClassifierHead(8, n_classes=3, pooler=True)
    ours.pooler, ours.proj = theirs.bert.pooler.dense, theirs.classifier
    ids, mask = torch.tensor([[2, 4, 6, 0]]), torch.tensor([[1, 1, 1, 0]])
    hidden = theirs.bert(ids, attention_mask=mask).last_hidden_state
    expected = theirs(ids, attention_mask=mask).logits
    torch.testing.assert_close(ours(hidden, mask.bool()), expected, rtol=1e-6, atol=1e-6)


def test_of_the_last_token_it_is_gpt2s() -> None:
    config = GPT2Config(vocab_size=12, n_embd=8, n_head=2, n_layer=1, num_labels=3, pad_token_id=0)
    theirs = GPT2ForSequenceClassification(config).eval()
    ours = ClassifierHead(8, n_classes=3, pool="last", bias=False)
    ours.proj = theirs.score
    ids = torch.tensor([[2, 4, 6, 0], [3, 5, 7, 9]])
    hidden = theirs.transformer(ids).last_hidden_state
    torch.testing.assert_close(ours(hidden, ids != 0), theirs(ids).logits, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("pooler", [False, True])
def test_padding_anywhere_changes_nothing_whatever_it_holds(pool: str, pooler: bool) -> None:
    made = ClassifierHead(8, n_classes=3, pool=pool, pooler=pooler)
    real = torch.randn(1, 4, 8)
    expected = made(real)
    assert expected.shape == (1, 3)
    torch.testing.assert_close(made(real, torch.ones(1, 4, dtype=torch.bool)), expected)
    for places in ("001111", "111100", "010111", "110011"):
        mask = torch.tensor([[c == "1" for c in places]])
        padded = torch.full((1, 6, 8), torch.nan)
        padded[mask] = real[0]
        torch.testing.assert_close(made(padded, mask), expected)


@pytest.mark.parametrize("pool", POOLS)
def test_rows_are_pooled_each_on_its_own(pool: str) -> None:
    x, mask = torch.randn(3, 5, 4), torch.tensor([[1, 1, 1, 1, 1], [0, 0, 1, 1, 0], [0, 0, 0, 1, 0]]).bool()
    together = pool_tokens(x, mask, pool)
    for row in range(3):
        torch.testing.assert_close(
            together[row : row + 1], pool_tokens(x[row : row + 1, mask[row]], None, pool)
        )


@pytest.mark.parametrize("pool", POOLS)
def test_a_row_of_documents_has_no_vector(pool: str) -> None:
    documents = torch.tensor([[1, 1, 2, 0]])
    with pytest.raises(ValueError, match=f"packed documents have no {pool} of a row"):
        pool_tokens(torch.randn(1, 4, 4), documents, pool)


@pytest.mark.parametrize("pool", POOLS)
def test_an_empty_row_is_finite(pool: str) -> None:
    mask = torch.tensor([[True, True], [False, False]])
    assert pool_tokens(torch.randn(2, 2, 4), mask, pool).isfinite().all()


@pytest.mark.parametrize("pool", POOLS)
def test_it_compiles_and_exports(pool: str) -> None:
    made = ClassifierHead(8, n_classes=3, pool=pool, pooler=True)
    x, mask = torch.randn(2, 5, 8), torch.rand(2, 5) > 0.3
    compiled = torch.compile(made, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x, mask), made(x, mask))
    size = {0: torch.export.Dim("B"), 1: torch.export.Dim("T")}
    exported = torch.export.export(made, (x, mask), dynamic_shapes=(size, size)).module()
    more, shown = torch.randn(3, 9, 8), torch.rand(3, 9) > 0.3
    torch.testing.assert_close(exported(more, shown), made(more, shown))
