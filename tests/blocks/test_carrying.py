"""Which states can go on for ever: those that stay as large as they are."""

import pytest

import blocks
from blocks.carrying import not_carried

TEXT = """
recipe: r
d_model: 16
vocab_size: 40
blocks:
  one: {mixer: BLOCK}
model:
  - embed: tokens
  - stack: {layers: [one]}
  - head: hidden
"""


def left(block, text=TEXT):
    return list(not_carried(blocks.load(text.replace("mixer: BLOCK", block)).plan()))


@pytest.mark.parametrize(
    "block",
    [
        "mixer: gru",
        "mixer: lstm",
        "mixer: mamba2, head_dim: 8",
        "mixer: mamba",
        "mixer: mlp",
        "mixer: sliding_window, n_heads: 2, window: 5",
    ],
)
def test_recurrent_states_windows_and_none_at_all_can(block):
    assert left(block) == []


def test_what_grows_or_keeps_nothing_cannot():
    assert left("mixer: multi_head, n_heads: 2") == [("one", "it grows with every token")]
    assert left("mixer: multi_head, n_heads: 2, mask: bidirectional") == [("one", "it keeps none")]


def test_positions_come_to_their_end():
    text = TEXT.replace("  - stack", "  - position: {learned: {max_len: 1200}}\n  - stack")
    assert left("mixer: gru", text) == [("learned", "it has positions for 1,200 tokens")]
