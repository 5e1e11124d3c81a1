"""Recipes from sentences, with sizes that two cores train in minutes."""

import pytest

from blocks import RecipeError, Registry, load
from blocks_train.loop.sentence import recipe_of

REGISTRY = Registry.installed()


def plan_of(sentence: str, set=()):
    return load(recipe_of(sentence, REGISTRY, set), set=set).plan(registry=REGISTRY)


@pytest.mark.parametrize(
    ("sentence", "pattern"),
    [
        ("8% attention, interleaved Mamba-2 and FFN, pre-norm, RoPE", "M-M-M*-M-M-M-"),
        ("Transformer, RoPE, 2 layers", "*-*-"),
        ("Transformer", "*-" * 7),
        ("Mamba-2, 3 blocks", "MMM"),
    ],
)
def test_a_depth_that_works_out_is_found(sentence: str, pattern: str) -> None:
    plan = plan_of(sentence)
    assert plan.pattern == pattern
    assert plan.sizes.d_model == 128
    assert plan.tokenizer.name == "byte"


def test_what_is_said_is_kept() -> None:
    assert plan_of("Transformer, d_model 64, 1 layer").sizes.d_model == 64
    assert plan_of("Transformer", ["d_model=32"]).sizes.d_model == 32
    assert plan_of("Transformer", ["depth=4"]).pattern == "*-*-"


@pytest.mark.parametrize(
    ("sentence", "code"),
    [
        ("flurbs, RoPE", "B0501"),
        ("encoder-decoder, Transformer", "B0505"),
        ("", "B0503"),
        ("Transformer, depth 3", "B0401"),
    ],
)
def test_what_does_not_work_out_says_why(sentence: str, code: str) -> None:
    with pytest.raises(RecipeError) as caught:
        recipe_of(sentence, REGISTRY)
    assert code in {found.code for found in caught.value.diagnostics}
