"""Entries of the vocabulary that a sentence makes."""

from __future__ import annotations

import pytest

import blocks
from blocks import Plan


def plan(sentence: str, more: str = "") -> Plan:
    return blocks.load(f"recipe: r\nd_model: 64\nvocab_size: 10\n{more}model: {sentence}\n").plan()


@pytest.mark.parametrize(
    ("sentence", "names"),
    [
        ("2 layers, attention and FFN", ["attention", "ffn"]),
        ("2 layers, GQA with 1 kv head and FFN and MQA", ["attention", "ffn", "multi_query"]),
        ("2 layers, attention and FFN and attention", ["attention", "ffn"]),
        ("2 layers, attention and FFN and ReLU FFN", ["attention", "ffn", "mlp"]),
        ("2 layers, FFN, ReLU FFN, GELU FFN and SwiGLU FFN", ["ffn", "mlp", "mlp_2", "gated_mlp"]),
        ("2 layers, parallel attention and FFN", ["attention", "ffn", "parallel"]),
        (
            "encoder-decoder, 2 layers, Transformer",
            ["encoder_attention", "ffn", "attention", "cross_attention"],
        ),
    ],
)
def test_names(sentence: str, names: list[str]) -> None:
    assert list(plan(sentence).canonical.blocks) == names


def test_an_entry_of_the_recipe_keeps_its_name_and_what_it_says() -> None:
    more = "blocks: {big: {mixer: multi_head, n_heads: 2}}\n"
    made = plan("2 layers, big and FFN, RoPE, shared", more).canonical.blocks
    assert (made["big"].options, made["big"].share) == ({"n_heads": 2, "position": "rope"}, True)
    two = plan("encoder-decoder, 2 layers, big and FFN", more).canonical.blocks
    assert list(two) == ["big", "encoder_big", "ffn", "cross_big"]


def test_a_memory_is_read_without_window_and_position() -> None:
    made = plan("encoder-decoder, 2 layers, sliding-window attention (8, RoPE, 2 heads) and FFN")
    cross = made.canonical.blocks["cross_attention"]
    assert (cross.mixer, cross.memory, cross.options) == ("multi_head", "encoder", {"n_heads": 2})


def test_places_lead_to_the_words() -> None:
    sentence = "2 layers, attention with 4 heads and FFN, RoPE"
    aliases = plan(sentence).aliases
    found = {path: sentence[start:end] for path, (start, end) in aliases.items() if path[0] == "blocks"}
    assert found == {
        ("blocks", "attention"): "attention with 4 heads",
        ("blocks", "attention", "n_heads"): "4 heads",
        ("blocks", "attention", "position"): "RoPE",
        ("blocks", "ffn"): "FFN",
    }
