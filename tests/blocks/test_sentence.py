"""Sentences: what they stand for, and what is said about those that stand for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import blocks
from blocks import Mixer, Recipe, RecipeError, Registry, hookimpl
from blocks.canonical import canonical

NEMOTRON_8B = "M-M-M-M*-" + "M-M-M-M-M*-" * 3 + "M-M-M-M-M-"


def text(model: str, depth: int | None = 52, more: str = "") -> str:
    head = "recipe: said\nd_model: 512\nvocab_size: 32000\n" + (f"depth: {depth}\n" if depth else "")
    return f"{head}{more}model: {model}\n"


def plan(model: str, depth: int | None = 52, more: str = "") -> Any:
    return blocks.load(text(model, depth, more)).plan()


def problems(model: str, depth: int | None = 52, more: str = "") -> tuple[Any, ...]:
    with pytest.raises(RecipeError) as caught:
        plan(model, depth, more)
    return caught.value.diagnostics


def golden(model: str, depth: int | None = 52) -> str:
    with pytest.raises(RecipeError) as caught:
        plan(model, depth)
    return str(caught.value)


def mixers(model: str) -> dict[str, dict[str, Any]]:
    found = plan(model).canonical.blocks
    return {name: {"mixer": block.mixer, **block.options} for name, block in found.items()}


def test_the_sentence_of_the_readme_is_the_pattern_of_nemotron_h_8b() -> None:
    made = plan("8% attention, interleaved Mamba-2 and FFN, pre-norm, RoPE")
    assert made.pattern == NEMOTRON_8B
    assert list(made.canonical.blocks) == ["mamba2", "ffn", "attention"]
    assert [stage.role for stage in made.stages] == ["embedding", "stack", "norm", "head"]
    attention = next(layer.type.mixer for layer in made.layers if layer.symbol == "*")
    assert attention.position.name == "rope"


@pytest.mark.parametrize(
    "same",
    [
        "RoPE, pre-norm, interleaved Mamba-2 and FFN, 8% attention",
        "8% ATTENTION, Interleaved mamba2 & ffn, PRENORM, rope.",
        "decoder-only, 8 % self-attention, alternating Mamba 2 and MLP, pre-LN, rotary positions",
        "8 percent attention and interleaved mamba_2 and feed-forward; pre norm; RoPE",
        "Mamba-2, FFN, 8% attention layers, pre-norm RoPE",
        "4 multi-head attention blocks, interleaved Mamba-2 + FFN, RoPE",
    ],
)
def test_order_case_hyphens_and_synonyms_do_not_count(same: str) -> None:
    made = plan(same)
    assert made.pattern == NEMOTRON_8B
    assert canonical(made).replace("attention: 4", "attention: 8%") == canonical(
        plan("8% attention, interleaved Mamba-2 and FFN, pre-norm, RoPE")
    )


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("Mamba-2", {"mamba2": {"mixer": "mamba2"}}),
        ("interleaved Mamba, Mamba-2 and FFN", {"mamba": {"mixer": "mamba"}, "mamba2": {"mixer": "mamba2"}}),
        ("Mamba, Mamba-2, and FFN", {"ffn": {"mixer": "mlp"}, "mamba2": {"mixer": "mamba2"}}),
        ("multi-head attention and SwiGLU FFN", {"ffn": {"mixer": "gated_mlp"}}),
        ("attention and GeGLU FFN", {"ffn": {"mixer": "gated_mlp", "activation": "geglu"}}),
        ("attention and ReLU FFN", {"ffn": {"mixer": "mlp", "activation": "relu"}}),
        ("attention and squared ReLU FFN", {"ffn": {"mixer": "mlp", "activation": "relu2"}}),
        ("attention and GELU MLP", {"ffn": {"mixer": "mlp", "activation": "gelu"}}),
        (
            "grouped-query attention with 2 kv heads and 16 heads and FFN",
            {"attention": {"mixer": "grouped_query", "n_kv_heads": 2, "n_heads": 16}},
        ),
        (
            "GQA with 2 key/value heads, FFN",
            {"attention": {"mixer": "grouped_query", "n_kv_heads": 2}},
        ),
        (
            "sliding-window attention of 4096 and FFN",
            {"attention": {"mixer": "sliding_window", "window": 4096}},
        ),
        (
            "local attention of 4,096 tokens with 16 heads, FFN",
            {"attention": {"mixer": "sliding_window", "window": 4096, "n_heads": 16}},
        ),
        ("attention with a window of 4k, FFN", {"attention": {"mixer": "multi_head", "window": 4000}}),
        (
            "attention, FFN, RoPE with theta 500k",
            {"attention": {"mixer": "multi_head", "position": {"rope": {"theta": 500_000}}}},
        ),
        ("bidirectional attention and FFN", {"attention": {"mixer": "multi_head", "mask": "bidirectional"}}),
        (
            "8% attention, interleaved sliding-window attention and FFN",
            {"attention": {"mixer": "sliding_window"}, "multi_head": {"mixer": "multi_head"}},
        ),
    ],
)
def test_mixers_and_their_options(sentence: str, expected: dict[str, dict[str, Any]]) -> None:
    sentence_depth = 52 if "Mamba" not in sentence or "," not in sentence else 54
    found = plan(sentence, sentence_depth).canonical.blocks
    for name, options in expected.items():
        assert {"mixer": found[name].mixer, **found[name].options} == options


@pytest.mark.parametrize(
    ("clause", "residual", "final_norm"),
    [
        ("pre-norm", "pre", True),
        ("post-norm", "post", False),
        ("no residual", "none", False),
        ("", "pre", True),
    ],
)
def test_residuals(clause: str, residual: str, final_norm: bool) -> None:
    made = plan(f"attention and FFN, {clause}")
    assert {layer.type.residual for layer in made.layers} == {residual}
    assert ("norm" in [stage.role for stage in made.stages]) == final_norm


def test_norms_positions_and_ties() -> None:
    made = plan("attention and FFN, LayerNorm with eps 1e-6, learned positions, tied embeddings")
    assert [stage.role for stage in made.stages] == ["embedding", "position", "stack", "norm", "head"]
    assert made.stages[-1].component.tied
    assert made.layers[0].type.norm.name == "layernorm"
    assert made.layers[0].type.norm.eps == made.stages[-2].component.eps == 1e-6
    made = plan("attention and FFN, no positions, untied embeddings")
    assert "position" not in [stage.role for stage in made.stages]
    assert not made.stages[-1].component.tied
    assert plan("attention, FFN, sinusoidal positions").stages[1].component.name == "sinusoidal"


def test_blocks_of_the_recipe_are_used_by_name() -> None:
    more = "blocks:\n  big: {mixer: multi_head, n_heads: 4}\n"
    made = plan("8% big, interleaved Mamba-2 and FFN, RoPE", more=more)
    big = next(layer.type for layer in made.layers if layer.type.name == "big")
    assert (big.mixer.n_heads, big.mixer.position.name) == (4, "rope")
    kept = "blocks:\n  big: {mixer: multi_head, position: none}\n"
    assert plan("big and FFN, RoPE", more=kept).layers[0].type.mixer.position is None


class Retention(Mixer):
    phrases = ("multi-scale retention",)
    n_heads: int = 4


class Rival(Mixer):
    phrases = ("multi-scale retention",)


class _Plugin:
    def __init__(self, **mixers: type[Mixer]) -> None:
        self.mixers = mixers

    @hookimpl
    def register_mixers(self, register: Any) -> None:
        for name, cls in self.mixers.items():
            register(name, cls)


@pytest.mark.parametrize(
    "phrase", ["retention", "Multi-Scale Retention with 8 heads", "multiscale retention"]
)
def test_a_strangers_mixer_is_understood_by_name_and_phrase(phrase: str) -> None:
    registry = Registry.installed().with_plugin(_Plugin(retention=Retention))
    made = blocks.load(text(f"{phrase} and FFN")).plan(registry=registry)
    mixer: Any = made.layers[0].type.mixer
    assert mixer.n_heads == (8 if "8" in phrase else 4)
    assert made.layers[0].type.name == "retention"


def test_a_phrase_of_two_mixers_has_to_be_replaced_by_a_name() -> None:
    registry = Registry.installed().with_plugin(_Plugin(retention=Retention, rival=Rival))
    with pytest.raises(RecipeError) as caught:
        blocks.load(text("multi-scale retention and FFN")).plan(registry=registry)
    assert caught.value.diagnostics[0].help == "write retention or rival"
    assert blocks.load(text("rival and FFN")).plan(registry=registry).layers


# Wrong sentences ------------------------------------------------------------------------------------


def test_everything_wrong_is_said_at_once() -> None:
    assert (
        golden("8% atention, interleaved Mamba-2 and FFN, pre-norm, post-norm, RoPEE")
        == """\
error[B0501]: 'atention' is not understood as the name of a block
  --> <text>:5:11
5 | model: 8% atention, interleaved Mamba-2 and FFN, pre-norm, post-norm, RoPEE
  |           ^^^^^^^^
  = help: did you mean 'attention'?

error[B0502]: 'post-norm' contradicts 'pre-norm'
  --> <text>:5:60
5 | model: 8% atention, interleaved Mamba-2 and FFN, pre-norm, post-norm, RoPEE
  |                                                            ^^^^^^^^^
  |                                                  -------- said here first
  = help: keep one of them

error[B0501]: 'RoPEE' is not understood
  --> <text>:5:71
5 | model: 8% atention, interleaved Mamba-2 and FFN, pre-norm, post-norm, RoPEE
  |                                                                       ^^^^^
  = help: did you mean 'RoPE'?"""
    )


def test_a_wrong_option_is_shown_in_the_sentence() -> None:
    assert (
        golden("attention with 7 heads and FFN")
        == """\
error[B0307]: 7 heads do not divide d_model = 512
  --> <text>:5:23
2 | d_model: 512
  |          --- d_model is set here
5 | model: attention with 7 heads and FFN
  |                       ^^^^^^^ 512 / 7 = 73.14
  = help: use 4 or 8 heads, or set head_dim"""
    )


def test_a_depth_that_leaves_a_remainder() -> None:
    assert (
        golden("8% attention, interleaved Mamba-2 and FFN", 53)
        == """\
error[B0401]: 49 layers besides 4 attention cannot alternate 2 blocks
  --> <text>:4:8
4 | depth: 53
  |        ^^
  = help: the nearest depths that work are 52 and 54"""
    )


@pytest.mark.parametrize(
    ("sentence", "code", "column", "help"),
    [
        ("interleaved Mamba-2 and FFN, attention", "B0502", 37, "8% attention"),
        ("interleaved Mamba-2 and FFN, RoPE", "B0502", 37, "leave RoPE out"),
        ("interleaved Mamba-2 and FFN, interleaved attention and FFN", "B0502", 37, "join them"),
        ("attention, FFN, RoPE, no positions", "B0502", 30, "keep one"),
        ("4% attention, 8% mamba, FFN", "B0502", 22, "interleave one"),
        ("lots of attention", "B0501", 8, "clauses such as"),
        ("8% attention", "B0503", 8, "interleaved Mamba-2 and FFN"),
        ("pre-norm", "B0503", 8, "interleaved Mamba-2 and FFN"),
        ("interleaved", "B0503", 8, "interleaved Mamba-2 and FFN"),
        ('""', "B0503", 8, "interleaved Mamba-2 and FFN"),
        ("8%", "B0501", 8, "8% attention"),
        ("8% RoPE, FFN", "B0501", 8, "8% attention"),
        ("attention FFN", "B0501", 18, "attention and FFN"),
        ("attention and FFN everywhere", "B0501", 26, "clauses such as"),
        ("grouped-query attention with 8 kv hats and FFN", "B0501", 37, "kv heads"),
        ("attention with 0 heads and FFN", "B0302", 23, None),
        ("Mamba3 and FFN", "B0501", 8, "did you mean 'Mamba"),
        ("120% attention, Mamba-2 and FFN", "B0309", 8, "0% to 100%"),
        ("attention and FFN, " + "pre-norm, " * 300, "B0501", 8, "write the blocks out"),
    ],
)
def test_wrong_sentences(sentence: str, code: str, column: int, help: str | None) -> None:
    found = problems(sentence)[0]
    assert (found.code, found.span.column) == (code, column), found
    assert help is None or help in (found.help or "")


def test_a_depth_is_needed() -> None:
    (found,) = problems("attention and FFN", None)
    assert (found.code, found.help) == ("B0503", "add `depth: 24` above `model:`")


def test_a_sentence_made_in_python_says_its_problems_in_words() -> None:
    with pytest.raises(RecipeError, match=r"model: 7 heads do not divide d_model = 512"):
        Recipe(recipe="a", d_model=512, depth=4, vocab_size=8, model="attention with 7 heads, FFN").plan()


WORDS = "8% 4 attention Mamba-2 FFN and , with heads of interleaved RoPE no %"


@given(st.lists(st.sampled_from(WORDS.split(" ")), max_size=12).map(" ".join) | st.text(max_size=40))
def test_no_sentence_raises_anything_else(sentence: str) -> None:
    recipe = Recipe(recipe="a", d_model=64, depth=4, vocab_size=8, model=sentence)
    try:
        made = recipe.plan()
    except RecipeError:
        return
    assert len(made.layers) == 4


def _specs() -> Iterator[SimpleNamespace]:
    for kind in ("mixer", "norm", "position"):
        for entry in Registry.installed().of_kind(kind):
            yield SimpleNamespace(kind=kind, name=entry.name, cls=entry.load())


@pytest.mark.parametrize("spec", list(_specs()), ids=lambda spec: spec.name)
def test_every_phrase_of_an_installed_component_means_it(spec: SimpleNamespace) -> None:
    for phrase in (spec.name, *spec.cls.__dict__.get("phrases", ())):
        sentence = f"{phrase}, FFN" if spec.kind == "mixer" else f"attention, FFN, {phrase}"
        if spec.cls.name == "mlp":
            sentence = phrase
        made = plan(sentence)
        used = {layer.type.mixer.name for layer in made.layers} | {
            part.name
            for layer in made.layers
            for part in (layer.type.norm, getattr(layer.type.mixer, "position", None))
            if part is not None
        }
        used |= {stage.component.name for stage in made.stages if stage.component is not None}
        assert spec.name in used
