"""Components in words, as short as they are exact."""

from __future__ import annotations

from typing import Any

import pytest

from blocks import Registry, Sizes
from blocks.phrases import Phrasebook
from blocks.wording import essential, phrase_of

REGISTRY = Registry.installed()
BOOK = Phrasebook(REGISTRY, {})
SIZES = Sizes(512)


def made(kind: str, name: str, **options: Any) -> Any:
    return REGISTRY.find(kind, name).load()(**options).named(name).bind(SIZES)


ROPE = REGISTRY.find("position", "rope").load()(theta=5.0).named("rope")


@pytest.mark.parametrize(
    ("kind", "name", "options", "text"),
    [
        ("mixer", "multi_head", {}, "multi-head attention"),
        ("mixer", "multi_head", {"n_heads": 8, "head_dim": 64}, "multi-head attention"),
        ("mixer", "multi_head", {"n_heads": 4}, "multi-head attention (4 heads)"),
        ("mixer", "multi_head", {"mask": "bidirectional"}, "bidirectional attention"),
        ("mixer", "multi_head", {"position": ROPE}, "multi-head attention (RoPE theta 5)"),
        (
            "mixer",
            "grouped_query",
            {"n_kv_heads": 2, "qkv_bias": True},
            "grouped-query attention (2 kv heads, qkv bias)",
        ),
        ("mixer", "mlp", {"d_ff": 2048}, "FFN"),
        ("mixer", "mlp", {"d_ff": 2047, "activation": "relu"}, "relu FFN (d_ff 2047)"),
        ("mixer", "mlp", {"activation": "relu2"}, "squared ReLU FFN"),
        ("mixer", "gated_mlp", {}, "SwiGLU FFN"),
        ("mixer", "gated_mlp", {"activation": "reglu"}, "gated ReLU FFN"),
        ("mixer", "mamba2", {"conv_bias": False}, "Mamba-2 (no conv bias)"),
        ("norm", "rmsnorm", {"eps": 1e-6}, "RMSNorm eps 1e-06"),
        ("norm", "layernorm", {"bias": False}, "LayerNorm (no bias)"),
        ("position", "learned", {"max_len": 100}, "learned positions max len 100"),
        ("head", "lm", {"vocab_size": 7}, "language-model head (vocab size 7)"),
    ],
)
def test_phrases(kind: str, name: str, options: dict[str, Any], text: str) -> None:
    assert (phrase_of(made(kind, name, **options), SIZES, BOOK) or "").casefold() == text.casefold()


def test_what_follows_from_the_rest_is_not_essential() -> None:
    mixer = made("mixer", "multi_head", n_heads=4)
    assert essential(mixer, SIZES) == {"n_heads": 4}
    assert essential(mixer, SIZES, without=("n_heads",)) == {"head_dim": 128}
    assert essential(mixer, Sizes(256)) == {"n_heads": 4, "head_dim": 128}


def test_that_there_is_no_position_can_be_said() -> None:
    text = phrase_of(made("mixer", "multi_head"), SIZES, BOOK, no_position=True)
    assert text == "multi-head attention (no positions)"
