"""Saying plans: what is printed as a sentence parses back to the same blocks, options included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

import blocks
from blocks import Plan, Recipe, RecipeError
from blocks.canonical import canonical
from blocks.say import MAX_TEXT, say, sentence_recipe

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))
PATTERNS = {"nemotron-h-47b", "nemotron-h-47b-tiny"}
"""Their patterns were found by a search: nothing shorter says them."""


def described(plan: Plan) -> list[Any]:
    """What a plan is made of, without the names of its blocks."""
    stages = [
        (stage.path, stage.role, stage.component and (stage.component.name, stage.component.model_dump()))
        for stage in plan.stages
    ]
    layers = []
    for layer in plan.layers:
        kind = layer.type
        branches = [
            (b.mixer.name, b.mixer.model_dump(), b.norm, b.out_norm, b.scale, b.layer_scale, b.memory)
            for b in kind.branches
        ]
        around = (
            kind.norm,
            kind.out_norm,
            kind.residual,
            kind.scale,
            kind.layer_scale,
            kind.alpha,
            kind.join,
        )
        layers.append((layer.path, branches, around, kind.adapter, layer.kv_source, layer.shares))
    return [plan.sizes.d_model, plan.sizes.vocab_size, stages, layers]


def written_out(plan: Plan) -> Plan:
    """The plan of the canonical recipe, which is no sentence."""
    return blocks.load(canonical(plan)).plan()


def check(plan: Plan) -> str | None:
    text = say(plan)
    if text is not None:
        assert described(sentence_recipe(plan, text).plan()) == described(plan), text
    return text


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_published_recipes(path: Path) -> None:
    plan = blocks.load(path).plan()
    text = check(plan)
    if path.stem in PATTERNS:
        assert text is None
    elif path.stem.split("-")[0] in ("gpt2", "llama", "mamba", "mistral", "nemotron", "transformer"):
        assert text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mamba-130m", "Mamba, pre-norm, tied embeddings"),
        (
            "gpt2",
            "multi-head attention (qkv bias, out bias) and tanh GELU FFN (bias), pre-norm, LayerNorm, "
            "learned positions max len 1024, tied embeddings",
        ),
        (
            "nemotron-h-8b",
            "8% multi-head attention (32 heads, 8 kv heads), interleaved Mamba-2 (8 groups) and "
            "squared ReLU FFN (d_ff 21504), pre-norm",
        ),
        (
            "transformer-base",
            "encoder-decoder, 6 + 6 layers, multi-head attention (qkv bias, out bias) and relu FFN (bias), "
            "post-norm, LayerNorm, sinusoidal positions, scaled embeddings, tied embeddings",
        ),
        ("hybrid-tiny", "8% attention, interleaved Mamba-2 and FFN, pre-norm, RoPE"),
    ],
)
def test_what_is_said(name: str, text: str) -> None:
    assert say(blocks.load(name)) == text


def test_a_written_sentence_is_its_own() -> None:
    recipe = Recipe(recipe="r", d_model=64, vocab_size=100, depth=4, model="FFN , attention")
    assert say(recipe) == say(recipe.plan()) == "FFN , attention"


@pytest.mark.parametrize(
    "stages",
    [
        "{embed: {tokens: {scale: 7}}}, {stack: {layers: 2 x ffn}}, {norm: rmsnorm}, {head: lm}",
        "{embed: tokens}, {stack: {layers: 2 x ffn, residual: post}}, {norm: rmsnorm}, {head: lm}",
        "{embed: tokens}, {stack: {layers: 2 x ffn}}, {norm: layernorm}, {head: lm}",
        "{embed: tokens}, {stack: {layers: 2 x ffn}}, {stack: {layers: 2 x ffn}}, {norm: rmsnorm}, {head: lm}",
        "{embed: tokens}, {stack: {layers: 2 x ffn, scale: 0.5}}, {norm: rmsnorm}, {head: lm}",
        "{embed: tokens}, {stack: {layers: [ffn, attention, attention, ffn, ffn]}}, {norm: rmsnorm}, {head: lm}",
        "{embed: tokens}, {head: lm}",
    ],
)
def test_what_no_sentence_says(stages: str) -> None:
    text = "recipe: r\nd_model: 64\nvocab_size: 100\nblocks: {ffn: {mixer: mlp}, attention: {mixer: multi_head}}\n"
    assert say(blocks.load(f"{text}model: [{stages}]\n")) is None


# Sentences said, written out and said again ---------------------------------------------------------


ATTENTION = (
    "attention", "GQA with 2 kv heads", "multi-query attention (4 heads, no qkv bias)", "attention with QK-norm",
    "sliding-window attention of 16", "attention (RoPE theta 5000, 2 heads)", "attention (no positions)",
)  # fmt: skip
OTHERS = (
    "FFN",
    "SwiGLU FFN (d_ff 96)",
    "squared ReLU FFN (bias)",
    "GeGLU FFN",
    "Mamba-2 (head dim 16)",
    "Mamba",
)
TURNS = st.sampled_from((*ATTENTION, *OTHERS))
LAYOUTS = st.one_of(
    st.lists(TURNS, min_size=1, max_size=3, unique=True).map(" and ".join),
    st.tuples(st.sampled_from(ATTENTION), st.sampled_from(OTHERS)).map(
        lambda t: f"parallel {t[0]} and {t[1]}"
    ),
    st.tuples(
        st.sampled_from(("parallel attention and Mamba", "parallel FFN and GQA with 2 kv heads")), TURNS
    ).map(lambda t: f"{t[0]}, {t[1]}, averaged"),
    st.tuples(TURNS, st.sampled_from(OTHERS), st.integers(1, 3)).map(
        lambda t: f"{t[0]} in {t[2]} of 4 layers, MQA in the others and {t[1]}"
    ),
    st.sampled_from(OTHERS).map(lambda t: f"sliding window 16 in 3 of 4 layers, {t}"),
    st.tuples(st.integers(1, 2), st.sampled_from(ATTENTION)).map(
        lambda t: f"{t[0]} {t[1]}, interleaved Mamba and FFN"
    ),
)
CLAUSES = st.tuples(
    st.sampled_from(("", "pre-norm", "post-norm", "sandwich norm", "no residual", "DeepNorm")),
    st.sampled_from(("", "LayerNorm", "RMSNorm with eps 1e-6", "no norm")),
    st.sampled_from(
        ("", "RoPE", "ALiBi", "learned positions of 128", "sinusoidal positions", "no positions")
    ),
    st.sampled_from(("", "tied embeddings", "untied embeddings")),
    st.sampled_from(("", "shared")),
    st.sampled_from(("", "", "encoder-only", "no head", "encoder-decoder, 2 + 1 layers", "bias", "2 heads")),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(LAYOUTS, CLAUSES, st.sampled_from((4, 6, 7, 8, 10, 12)))
@example(
    "attention and FFN",
    ("post-norm", "", "sinusoidal positions", "tied embeddings", "", "encoder-decoder, 2 + 1 layers"),
    10,
)
@example("sliding window 16 in 3 of 4 layers, FFN", ("sandwich norm", "", "RoPE", "", "shared", ""), 8)
def test_sentences_come_back(layout: str, clauses: tuple[str, ...], depth: int) -> None:
    sentence = ", ".join(filter(None, (layout, *clauses)))
    assume("shared" not in clauses or "no positions" not in layout)  # alike, and yet two groups that share
    two = "encoder-decoder" in sentence
    recipe = Recipe(recipe="r", d_model=32, vocab_size=50, depth=None if two else depth, model=sentence)
    try:
        plan = recipe.plan()
    except RecipeError:  # RoPE without attention, and the like
        assume(False)
        return
    again = written_out(plan)
    assert described(again) == described(plan)
    said = check(again)
    assert said is not None or (two and " in " in layout), sentence


# Recipes of all kinds -------------------------------------------------------------------------------

MIXERS = st.sampled_from(
    (
        {"mixer": "multi_head"}, {"mixer": "multi_head", "n_heads": 4, "position": "rope"},
        {"mixer": "multi_head", "head_dim": 4, "n_heads": 3, "score_cap": 30.0},
        {"mixer": "grouped_query", "n_kv_heads": 1, "qkv_bias": True, "position": {"rope": {"theta": 500.0}}},
        {"mixer": "sliding_window", "window": 8, "position": "alibi"}, {"mixer": "mlp"},
        {"mixer": "mlp", "activation": "gelu_tanh", "bias": True}, {"mixer": "gated_mlp", "d_ff": 48},
        {"mixer": "mamba2", "head_dim": 8, "conv_bias": False}, {"mixer": "mamba", "d_state": 4},
        {"mixer": "multi_head", "memory": None, "residual": "post"}, {"mixer": "mlp", "norm": "layernorm"},
    )
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    st.lists(MIXERS, min_size=1, max_size=3),
    st.lists(st.integers(0, 2), min_size=1, max_size=12),
    st.sampled_from(("pre", "post", "sandwich", "none")),
    st.sampled_from(("rmsnorm", "layernorm", "none", {"rmsnorm": {"eps": 0.001}})),
    st.sampled_from((None, "learned", {"sinusoidal": {"max_period": 50.0}})),
    st.booleans(),
    st.booleans(),
)
def test_recipes_come_back(
    mixers: list[dict[str, Any]],
    order: list[int],
    residual: str,
    norm: Any,
    position: Any,
    last: bool,
    tied: bool,
) -> None:
    names = [f"b{index % len(mixers)}" for index in order]
    model: list[dict[str, Any]] = [
        {"embed": "tokens"},
        {"stack": {"layers": names, "norm": norm, "residual": residual}},
    ]
    model += [{"norm": norm}] if last and norm != "none" else []
    model.append({"head": {"lm": {"tied": tied}}})
    if position is not None:
        model.insert(1, {"position": position})
    vocabulary = {f"b{index}": mixer for index, mixer in enumerate(mixers)}
    recipe = Recipe.model_validate(
        {"recipe": "r", "d_model": 32, "vocab_size": 50, "blocks": vocabulary, "model": model}
    )
    check(recipe.plan())


def test_many_kinds_of_block_are_not_looked_through() -> None:
    kinds = {f"b{size}": {"mixer": "mlp", "d_ff": size} for size in range(1, 60)}
    model = [{"embed": "tokens"}, {"stack": {"layers": list(kinds)}}, {"norm": "rmsnorm"}, {"head": "lm"}]
    recipe = Recipe.model_validate(
        {"recipe": "r", "d_model": 8, "vocab_size": 9, "blocks": kinds, "model": model}
    )
    assert say(recipe) is None


def test_one_of_a_kind_is_no_plural() -> None:
    recipe = Recipe(recipe="r", d_model=64, vocab_size=100, depth=4, model="GQA with 1 kv head and FFN")
    assert check(written_out(recipe.plan())) == "grouped-query attention (1 kv head) and FFN, pre-norm"


def test_a_sentence_that_names_a_block_again_and_again_is_not_said() -> None:
    layers = [
        "attention" if index == 8 else ("mamba", "ffn", "mamba", "glu")[index % 4] for index in range(16)
    ]
    model = [{"embed": "tokens"}, {"stack": {"layers": layers * 4}}, {"norm": "rmsnorm"}, {"head": "lm"}]
    mixers = {"attention": "multi_head", "mamba": "mamba", "ffn": "mlp", "glu": "gated_mlp"}
    recipe = Recipe.model_validate(
        {
            "recipe": "r", "d_model": 64, "vocab_size": 100, "model": model,
            "blocks": {name: {"mixer": mixer} for name, mixer in mixers.items()},
        }
    )  # fmt: skip
    assert say(recipe) is None


def test_a_sentence_of_many_options_is_not_said() -> None:
    gemma = blocks.load("zoo/gemma-2-like")
    assert say(gemma) is None
    assert all(len(say(blocks.load(path)) or "") <= MAX_TEXT for path in RECIPES)
