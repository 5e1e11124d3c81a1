"""Plans in words."""

from __future__ import annotations

from pathlib import Path

import pytest

import blocks
from blocks_compiler.explanation import explain

RECIPES = sorted((Path(__file__).parents[3] / "recipes").glob("*.yaml"))


def words(text: str) -> dict[str, str]:
    return {section.title: " ".join(section.texts) for section in explain(blocks.load(text).plan())}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_can_be_explained(path: Path) -> None:
    plan = blocks.load(path).plan()
    found = explain(plan)
    titles = [section.title for section in found]
    assert {stage.path for stage in plan.stages} <= set(titles)
    assert all(
        text and text == text.strip() and "None" not in text for section in found for text in section.texts
    )


def test_why_a_scattered_block_stands_where_it_does() -> None:
    found = words("nemotron-h-8b")
    assert "4 of 52 blocks, at 7, 18, 29 and 40." in found["layers: attention"]
    assert "layers.7 is 1 of 4 scattered: group 4 = floor(1·24/5), before ffn" in found["layers: attention"]
    assert "and so on to layers.50, 1 of 2 in group 24 of 24" in found["layers: mamba2"]
    assert "8% of 52 blocks is 4, rounded" in found["layers"]


def test_the_words_of_a_sentence_and_what_the_defaults_became() -> None:
    found = words("hybrid-tiny")
    assert 'from the words "8% attention"' in found["layers: attention"]
    assert '(from "RoPE")' in found["layers: attention"]
    assert "Worked out: d_ff 768 (4 d_model)." in found["layers: ffn"]


STREAMS = """recipe: r
d_model: 64
vocab_size: 100
model: encoder-decoder, 2 + 2 layers, Transformer, post-norm, tied embeddings, DeepNorm
"""


def test_streams_sharing_and_state() -> None:
    found = words(STREAMS.replace("post-norm, ", ""))
    assert "It has 2 streams, encoder and decoder." in found["r"]
    assert (
        "its keys and values from the encoder, through weights of its own"
        in found["decoder.layers: cross_attention"]
    )
    assert "Alpha 1." in found["decoder.layers: ffn"]
    assert "The parameters of decoder.embed are those of encoder.embed" in found["what is shared"]
    assert "for each token that it reads in the other stream" in found["what is kept while it writes"]


def test_overrides_are_written_options() -> None:
    text = (
        "recipe: r\nd_model: 64\nvocab_size: 100\nblocks: {f: {mixer: mlp}}\n"
        "model:\n  - embed: tokens\n  - stack: {layers: 3 x f, override: {'f[-1]': {d_ff: 7}}}\n  - head: lm\n"
    )
    sections = [s for s in explain(blocks.load(text).plan()) if s.topic == "block"]
    assert [("Written: d_ff 7" in " ".join(s.texts)) for s in sections] == [False, True]


HEADS = """recipe: r
d_model: {width}
vocab_size: 100
blocks:
  own: {{mixer: multi_head{own}}}
  over: {{mixer: multi_head, memory: document}}
model:
  document: [{{embed: tokens}}, {{stack: {{layers: own}}}}]
  answer: [{{embed: tokens}}, {{stack: {{layers: [own, over]}}}}, {{head: lm}}]
"""


def test_defaults_are_those_that_apply_and_sizes_have_one_rule() -> None:
    found = words(HEADS.format(width=128, own=""))
    assert "mask causal" in found["answer.layers: own"]
    assert "qkv_bias no" in found["answer.layers: over"]
    assert "mask" not in found["answer.layers: over"]
    assert "head_dim 64 (64, since n_heads is free as well)" in found["answer.layers: own"]
    found = words(HEADS.format(width=128, own=", n_heads: 4"))
    assert "head_dim 32 (d_model / n_heads)" in found["answer.layers: own"]


def test_one_block_is_one() -> None:
    assert "1 block: " in words(HEADS.format(width=64, own=""))["document.layers"]
