"""DeepNorm's gain: the table of the paper's figure 2, for layers made of blocks."""

import pytest

import blocks
from blocks.deepnorm import alpha

RECIPE = """\
recipe: r
d_model: 8
vocab_size: 16
blocks:
  a: {mixer: multi_head, n_heads: 2, mask: bidirectional}
  c: {mixer: multi_head, n_heads: 2}
  m: {mixer: multi_head, n_heads: 2, memory: encoder}
  f: {mixer: mlp}
  p: {parallel: [m, f]}
model:
  encoder:
    - embed: tokens
    - stack: {depth: 12, cycle: [a, f], norm: layernorm, residual: post, alpha: deepnorm}
  decoder:
    - embed: tokens
    - stack: {DECODER, norm: layernorm, residual: post, alpha: deepnorm}
"""


@pytest.mark.parametrize("layers", [1, 6, 100])
def test_the_table_of_the_paper(layers: int) -> None:
    assert alpha(2 * layers) == pytest.approx((2 * layers) ** (1 / 4))
    assert alpha(3 * layers) == pytest.approx((3 * layers) ** (1 / 4))
    assert alpha(2 * layers, 3 * 18) == pytest.approx(0.81 * (layers**4 * 18) ** (1 / 16))


@pytest.mark.parametrize(
    ("decoder", "readers"),
    [
        ("depth: 54, cycle: [c, m, f]", 54),
        ("depth: 9, cycle: [p]", 9),
        ("depth: 9, cycle: [c], override: {c: {memory: encoder}}", 9),
        ("pattern: cmfm, symbols: {c: c, m: m, f: f}", 4),
    ],
)
def test_an_encoder_that_is_read_counts_the_blocks_of_its_reader(decoder: str, readers: int) -> None:
    made = blocks.load(RECIPE.replace("DECODER", decoder)).plan()
    first, second = (stream.stages[-1].layers for stream in made.streams)
    wanted = 0.81 * (6**4 * readers / 3) ** (1 / 16)
    assert [layer.type.alpha for layer in first] == pytest.approx([wanted] * 12)
    assert [layer.type.alpha for layer in second] == pytest.approx([readers ** (1 / 4)] * readers)


def test_a_memory_of_the_wrong_type_is_reported() -> None:
    text = RECIPE.replace("DECODER", "depth: 2, cycle: [m], override: {m: {memory: [encoder]}}")
    with pytest.raises(blocks.RecipeError) as caught:
        blocks.load(text).plan()
    assert "B0203" in [each.code for each in caught.value.diagnostics]


def test_what_is_wrong_with_the_reader_is_said_once() -> None:
    with pytest.raises(blocks.RecipeError) as caught:
        blocks.load(RECIPE.replace("DECODER", "depth: 5, interleave: [c, m]")).plan()
    assert [each.code for each in caught.value.diagnostics] == ["B0401"]
