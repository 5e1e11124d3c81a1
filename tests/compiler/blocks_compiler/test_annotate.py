"""Comments of a recipe that was a sentence."""

from __future__ import annotations

import pytest

import blocks
from blocks.canonical import canonical
from blocks_compiler.annotate import WIDTH, annotated


@pytest.mark.parametrize(
    "sentence",
    [
        "8% attention, interleaved Mamba-2 and FFN, RoPE",
        "Transformer, learned positions, LayerNorm, encoder-only",
        "sliding window 8 in 1 of 2 layers, FFN, sandwich norm, shared",
        "parallel attention and Mamba, FFN, averaged, no head",
    ],
)
def test_only_comments_are_added(sentence: str) -> None:
    made = blocks.load(
        f"recipe: r\nd_model: 64\nvocab_size: 10\ndepth: 16\nmodel: {sentence}\n".replace(
            "16", "13" if "8%" in sentence else "16"
        )
    ).plan()
    text = annotated(made)
    lines = text.splitlines()
    assert "".join(line + "\n" for line in lines if not line.lstrip().startswith("#")) == canonical(made)
    assert all(len(line) <= WIDTH for line in lines if line.lstrip().startswith("#"))
    assert f"#     {sentence}" in lines
