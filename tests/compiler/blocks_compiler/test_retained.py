"""What is kept from token to token, in words."""

from __future__ import annotations

import pytest

import blocks
from blocks_compiler.retained import kept


@pytest.mark.parametrize(
    ("sentence", "text"),
    [
        ("attention", "attention (2) keeps 512 B for each token"),
        ("sliding-window attention of 17", "attention (2) keeps up to 8.02 KiB: its window is full then"),
        ("Mamba", "however long the text"),
        ("FFN", "Nothing: no block"),
        ("encoder-decoder, attention", "attention (2) keeps 512 B for each token"),
    ],
)
def test_what_is_kept(sentence: str, text: str) -> None:
    made = blocks.load(f"recipe: r\nd_model: 64\nvocab_size: 10\nmodel: 2 layers, {sentence}\n").plan()
    assert text in kept(made)
