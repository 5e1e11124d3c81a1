"""Hidden states and pooled vectors: together they are what transformers' BertModel gives."""

from typing import Any

import pytest
import torch
from transformers import BertConfig, BertModel
from transformers.models.bert.modeling_bert import BertPooler

import blocks
from blocks_heads.module import ClassifierHead, PoolerHead

RECIPE = """recipe: berts-encoder
d_model: 16
vocab_size: 40
blocks:
  attention: {mixer: multi_head, n_heads: 2, mask: MASK, qkv_bias: true, out_bias: true}
  ffn: {mixer: mlp, d_ff: 24, bias: true}
model:
  - embed: {tokens: {n_types: 3}}
  - position: {learned: {max_len: 32}}
  - norm: {layernorm: {eps: 1e-12}}
  - stack: {depth: 4, cycle: [attention, ffn], norm: {layernorm: {eps: 1e-12}}, residual: post}
  - heads: {states: hidden, pooled: pooler}
"""


def bert() -> tuple[Any, Any]:
    """transformers' and ours, with the same weights, none of them where it starts."""
    config = BertConfig(
        vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
        type_vocab_size=3, max_position_embeddings=32, attn_implementation="eager",
    )  # fmt: skip
    theirs = BertModel(config).eval()
    ours = blocks.build(RECIPE.replace("MASK", "bidirectional"))
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.normal_(std=0.3)
    found = theirs.state_dict()
    names = {
        "embed": "embeddings.word_embeddings",
        "embed.types": "embeddings.token_type_embeddings",
        "position": "embeddings.position_embeddings",
        "norm": "embeddings.LayerNorm",
        "heads.pooled": "pooler.dense",
    }
    weights = {}
    for at in range(2):
        here, mix, ffn = f"encoder.layer.{at}", f"layers.{2 * at}", f"layers.{2 * at + 1}"
        names |= {
            f"{mix}.norm": f"{here}.attention.output.LayerNorm",
            f"{mix}.mixer.out_proj": f"{here}.attention.output.dense",
            f"{ffn}.norm": f"{here}.output.LayerNorm",
            f"{ffn}.mixer.in_proj": f"{here}.intermediate.dense",
            f"{ffn}.mixer.out_proj": f"{here}.output.dense",
        }
        for kind in ("weight", "bias"):
            rows = [found[f"{here}.attention.self.{name}.{kind}"] for name in ("query", "key", "value")]
            weights[f"{mix}.mixer.qkv_proj.{kind}"] = torch.cat(rows)
    for mine, name in names.items():
        weights |= {f"{mine}.{k}": found[f"{name}.{k}"] for k in ("weight", "bias") if f"{name}.{k}" in found}
    ours.load_state_dict(weights)
    return theirs, ours


@torch.no_grad()
@pytest.mark.parametrize("typed", [False, True])
def test_a_bert_without_a_task(typed: bool) -> None:
    theirs, ours = bert()
    tokens, types = torch.randint(40, (3, 11)), torch.randint(3, (3, 11))
    mask = torch.arange(11) < torch.tensor([[11], [7], [1]])
    given = {"types": types} if typed else {}
    found, _ = ours(tokens, None, mask, **given)
    expected = theirs(tokens, attention_mask=mask.long(), token_type_ids=types if typed else None)
    assert list(found) == ["states", "pooled"]
    for name, value in (("states", expected.last_hidden_state[mask]), ("pooled", expected.pooler_output)):
        made = found[name][mask] if name == "states" else found[name]
        assert (made - value).abs().max() <= 1e-5 * value.abs().max()


def test_it_is_berts_pooler() -> None:
    theirs, ours = BertPooler(BertConfig(hidden_size=8, num_attention_heads=2)), PoolerHead(8)
    ours.load_state_dict(theirs.dense.state_dict())
    x = torch.randn(3, 5, 8)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("pool", ["first", "mean", "last"])
def test_it_reads_what_a_classifier_reads(pool: str) -> None:
    pooler, classifier = PoolerHead(8, pool=pool), ClassifierHead(8, n_classes=3, pool=pool, pooler=True)
    assert classifier.pooler is not None
    pooler.load_state_dict(classifier.pooler.state_dict())
    x = torch.randn(4, 6, 8)
    mask = torch.tensor(
        [[1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0], [0, 1, 0, 0, 1, 0]]
    ).bool()
    for given in (None, mask):
        torch.testing.assert_close(classifier.proj(pooler(x, given)), classifier(x, given))


def test_a_pooler_needs_a_first_token_that_has_seen_the_others() -> None:
    with pytest.raises(blocks.RecipeError, match="the pooler head reads tokens that have to see later ones"):
        blocks.compile_graph(RECIPE.replace("MASK", "causal"))


def test_alone_they_are_the_output() -> None:
    alone = RECIPE.replace("MASK", "bidirectional").partition("  - heads")[0]
    tokens = torch.randint(40, (2, 5))
    bare, hidden, pooled = (
        blocks.build(alone + head) for head in ("", "  - head: hidden\n", "  - head: pooler\n")
    )
    assert torch.equal(bare(tokens)[0], hidden(tokens)[0])
    assert pooled(tokens)[0].shape == (2, 16)
    assert bare.state_dict().keys() == hidden.state_dict().keys()
