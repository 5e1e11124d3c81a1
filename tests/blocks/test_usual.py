"""What is added where a sentence leaves it unsaid."""

from __future__ import annotations

import pytest

from blocks import Recipe, Registry
from blocks.clauses import Reading
from blocks.resolve import Resolver


def read(sentence: str) -> Reading:
    recipe = Recipe(recipe="r", d_model=64, vocab_size=100, depth=12, model=sentence)
    resolver = Resolver(recipe, Registry.installed(plugins=False))
    assert resolver.resolve_sizes(None)
    reading = Reading(recipe, resolver)
    reading.read()
    return reading


@pytest.mark.parametrize(
    ("sentence", "turns"),
    [
        ("Transformer", ["multi_head", "mlp"]),
        ("Transformer, SwiGLU FFN", ["multi_head", "gated_mlp"]),
        ("FFN, sliding window 16", ["mlp", "sliding_window"]),
        ("attention and FFN, sliding window 16", ["multi_head", "mlp"]),
    ],
)
def test_blocks(sentence: str, turns: list[str]) -> None:
    assert [said.meaning.value for said in read(sentence).turns] == turns


@pytest.mark.parametrize(
    ("sentence", "head"),
    [
        ("Transformer", None),
        ("Transformer, logit softcap 30", {"logit_cap": 30}),
        ("Transformer, bias", None),
        ("encoder-only Transformer, logit softcap 30", None),
    ],
)
def test_the_head_that_takes_an_option(sentence: str, head: dict[str, int] | None) -> None:
    said = read(sentence).settled.get("head")
    assert (said.options if said is not None else None) == head
