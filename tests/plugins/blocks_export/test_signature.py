"""What exported programs are called with, by names that others know."""

import pytest

import blocks
from blocks_export.signature import signature

ENCODER = """\
recipe: r
d_model: 32
vocab_size: 50
blocks:
  attention: {mixer: multi_head, n_heads: 2, mask: bidirectional}
model:
  - embed: {tokens: {n_types: 2}}
  - position: {learned: {max_len: 40}}
  - stack: {layers: [attention]}
"""


def names(recipe):
    found = signature(blocks.load(recipe).plan())
    return [argument.name for argument in found.inputs], found.outputs, found.longest


def test_a_language_model():
    plan = blocks.load("nemotron-h-tiny").plan()
    found = signature(plan)
    ids, mask = found.inputs
    assert (ids.name, ids.axes, ids.dtype, ids.ids) == ("input_ids", ("batch", "length"), "int64", 256)
    assert (mask.name, mask.axes, mask.is_mask) == ("attention_mask", ("batch", "length"), True)
    assert (found.outputs, found.longest, found.n_first) == (("logits",), None, 1)
    assert list(found.described()) == [
        "inputs   input_ids int64 [batch, length], attention_mask int64 [batch, length]",
        "outputs  logits",
    ]


@pytest.mark.parametrize(
    ("heads", "outputs"),
    [
        ("", ("last_hidden_state",)),
        ("  - head: masked_lm\n", ("logits",)),
        ("  - head: pooler\n", ("pooler_output",)),
        ("  - heads: {states: hidden, pooled: pooler}\n", ("states", "pooled")),
    ],
)
def test_an_encoder(heads, outputs):
    assert names(ENCODER + heads) == (["input_ids", "attention_mask", "token_type_ids"], outputs, 40)


def test_two_streams():
    found = signature(blocks.load("transformer-tiny").plan())
    assert [a and a.name for a in found.arguments] == [
        "input_ids", "decoder_input_ids", "attention_mask", "decoder_attention_mask"
    ]  # fmt: skip
    assert found.n_first == 2
    assert found.open == ("batch", "length", "decoder_length")
