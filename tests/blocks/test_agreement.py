"""Clauses that contradict others or that nothing can follow; test_sentence.py has more of them."""

from __future__ import annotations

import pytest

from blocks import Recipe, RecipeError


def recipe(sentence: str, **more: object) -> Recipe:
    depth = None if "+" in sentence else 16
    given = {"recipe": "r", "d_model": 64, "vocab_size": 100, "depth": depth, "model": sentence}
    return Recipe.model_validate(given | more)


@pytest.mark.parametrize(
    ("sentence", "code", "message", "help"),
    [
        (
            "averaged, attention and FFN", "B0510", "'averaged', and nothing runs in parallel",
            "parallel attention and FFN, averaged",
        ),
        (
            "post-norm, no norm, Transformer", "B0502", "'no norm' leaves no norm to place as 'post-norm' says",
            "leave one of them out",
        ),
        (
            "cross-attention and FFN", "B0511", "'cross-attention' reads an encoder, and there is none",
            "encoder-decoder, 6 + 6 layers, ...",
        ),
        (
            "cross-attention, FFN, encoder-decoder, 4 + 4 layers", "B0507",
            "besides 'cross-attention' no block looks at other tokens of its own stream",
            "add one: attention, cross-attention, ...",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(sentence: str, code: str, message: str, help: str) -> None:
    with pytest.raises(RecipeError) as caught:
        recipe(sentence).plan()
    (problem,) = caught.value.diagnostics
    assert (problem.code, problem.message.removeprefix("model: "), problem.help) == (code, message, help)


@pytest.mark.parametrize(
    "sentence",
    [
        "parallel attention and FFN, averaged", "no residual, no norm, Transformer",
        "Mamba-2 in 3 of 4 layers, attention in the others, FFN, no norm",
        "attention, cross-attention, FFN, encoder-decoder, 4 + 4 layers",
    ],
)  # fmt: skip
def test_what_is_not(sentence: str) -> None:
    assert recipe(sentence).plan().layers


def test_a_norm_of_a_block_of_the_recipe_stays() -> None:
    own = {"mine": {"mixer": "mlp", "norm": "layernorm"}}
    assert recipe("attention and mine, post-norm, no norm", blocks=own).plan().layers
