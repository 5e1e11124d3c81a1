"""Token embeddings with a scale, types and a factorised table, against transformers' and their definition."""

import pytest
import torch
from torch import nn
from transformers import AlbertConfig, AlbertModel, BertConfig, GemmaConfig
from transformers.models.bert.modeling_bert import BertEmbeddings
from transformers.models.gemma.modeling_gemma import GemmaTextScaledWordEmbedding

from blocks_embeddings.module import TokenEmbedding

TOKENS = torch.tensor([[3, 0, 7], [7, 7, 1]])


def test_without_options_it_is_a_table():
    made, plain = TokenEmbedding(9, 6), nn.Embedding(9, 6)
    made.load_state_dict(plain.state_dict())
    assert torch.equal(made(TOKENS), plain(TOKENS))
    assert [name for name, _ in made.named_parameters()] == ["weight"]


def test_a_scale_is_gemmas():
    config = GemmaConfig(vocab_size=9, hidden_size=6)
    theirs = GemmaTextScaledWordEmbedding(9, 6, padding_idx=0, embed_scale=config.hidden_size**0.5)
    ours = TokenEmbedding(9, 6, scale=6**0.5)
    with torch.no_grad():
        ours.weight.copy_(theirs.weight)
    torch.testing.assert_close(ours(TOKENS), theirs(TOKENS), rtol=1e-6, atol=1e-6)


def test_types_are_berts():
    theirs = BertEmbeddings(
        BertConfig(vocab_size=9, hidden_size=6, num_attention_heads=2, type_vocab_size=2)
    ).eval()
    ours = TokenEmbedding(9, 6, n_types=2)
    with torch.no_grad():
        ours.weight.copy_(theirs.word_embeddings.weight)
        ours.types.weight.copy_(theirs.token_type_embeddings.weight)
    positions = theirs.position_embeddings(torch.arange(3))
    types = torch.tensor([[0, 1, 1], [1, 0, 1]])
    for given in (None, types):
        torch.testing.assert_close(
            theirs.LayerNorm(ours(TOKENS, given) + positions), theirs(TOKENS, given), rtol=1e-6, atol=1e-6
        )


def test_a_factorised_table_with_types_is_alberts():
    config = AlbertConfig(
        vocab_size=9,
        embedding_size=4,
        hidden_size=6,
        num_attention_heads=2,
        intermediate_size=8,
        num_hidden_layers=1,
    )
    theirs = AlbertModel(config).eval()
    ours = TokenEmbedding(9, 6, dim=4, n_types=2, bias=True)
    with torch.no_grad():
        ours.weight.copy_(theirs.embeddings.word_embeddings.weight)
        ours.types.weight.copy_(theirs.embeddings.token_type_embeddings.weight)
        ours.proj.weight.copy_(theirs.encoder.embedding_hidden_mapping_in.weight)
        ours.proj.bias.copy_(theirs.encoder.embedding_hidden_mapping_in.bias.normal_())
        rows = theirs.embeddings.word_embeddings(TOKENS) + theirs.embeddings.token_type_embeddings.weight[0]
        expected = theirs.encoder.embedding_hidden_mapping_in(rows)
    torch.testing.assert_close(ours(TOKENS), expected, rtol=1e-6, atol=1e-6)


def test_types_are_one_a_token_and_have_a_row():
    made = TokenEmbedding(9, 6, n_types=2)
    for shape in ((2, 1), (1, 3), (3,), (2, 4)):
        with pytest.raises(ValueError, match=r"do not fit tokens \[2, 3\]"):
            made(TOKENS, torch.zeros(shape, dtype=torch.int64))
    with pytest.raises(IndexError):
        made(TOKENS, torch.full((2, 3), 2))


def test_the_scale_is_the_rows_alone():
    made = TokenEmbedding(9, 6, scale=3.0, n_types=1)
    assert torch.equal(made(TOKENS), made.weight[TOKENS] * 3 + made.types.weight[0])


@pytest.mark.parametrize(
    "options", [{}, {"scale": 2.0}, {"n_types": 2}, {"dim": 3}, {"dim": 3, "bias": True}]
)
def test_the_table_is_called_weight_and_learns(options):
    made = TokenEmbedding(9, 6, **options)
    assert made.weight.shape == (9, options.get("dim", 6))
    y = made(TOKENS)
    assert y.shape == (2, 3, 6)
    y.square().sum().backward()
    assert made.weight.grad is not None
    assert set(made.weight.grad.abs().sum(1).nonzero()[:, 0].tolist()) == {0, 1, 3, 7}
