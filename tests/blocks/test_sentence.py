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
from blocks.same import same_plan

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
    assert caught.value.diagnostics[0].code == "B0512"
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
    assert (found.code, found.help) == (
        "B0503",
        "add `depth: 24` above `model:`, or say it: 24 blocks, 12 layers",
    )


def test_a_sentence_made_in_python_says_its_problems_in_words() -> None:
    with pytest.raises(RecipeError, match=r"model: 7 heads do not divide d_model = 512"):
        Recipe(recipe="a", d_model=512, depth=4, vocab_size=8, model="attention with 7 heads, FFN").plan()


WORDS = (
    "8% 4 attention Mamba-2 FFN and , with heads of interleaved RoPE no % the in every other layers blocks ( ) + "
    "parallel cross encoder-decoder encoder-only Transformer sliding window QK-norm pre d_model vocabulary "
    "bias elsewhere"
)


@given(st.lists(st.sampled_from(WORDS.split(" ")), max_size=12).map(" ".join) | st.text(max_size=40))
def test_no_sentence_raises_anything_else(sentence: str) -> None:
    recipe = Recipe(recipe="a", d_model=64, depth=4, vocab_size=8, model=sentence)
    try:
        made = recipe.plan()
    except RecipeError:
        return
    assert len(made.layers) == 4


# Layers, parts of them, groups, forms ----------------------------------------------------------------


def built(sentence: str, depth: int | None = 8) -> list[Any]:
    """Mixers of the blocks in order, a list for those in parallel."""
    found = [[branch.mixer.name for branch in layer.type.branches] for layer in plan(sentence, depth).layers]
    return [names[0] if len(names) == 1 else names for names in found]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("2 layers, attention and FFN", ["multi_head", "mlp"] * 2),
        ("2-layer Transformer", ["multi_head", "mlp"] * 2),
        ("2 Transformer layers", ["multi_head", "mlp"] * 2),
        ("4 blocks, attention and FFN", ["multi_head", "mlp"] * 2),
        ("depth of 4, attention and FFN", ["multi_head", "mlp"] * 2),
        ("2 layers of Mamba-2", ["mamba2"] * 2),
        ("Transformer, SwiGLU FFN, 2 layers", ["multi_head", "gated_mlp"] * 2),
        ("Transformer, SwiGLU FFN, GQA, 2 layers", ["grouped_query", "gated_mlp"] * 2),
        (
            "sliding-window attention of 16 in 3 of 4 layers, FFN, 4 layers",
            ["sliding_window", "mlp"] * 3 + ["multi_head", "mlp"],
        ),
        ("GQA with a window of 16 in 1 of 2 layers, FFN, 2 layers", ["grouped_query", "mlp"] * 2),
        (
            "Mamba-2 in 2 of 3 layers, MQA in the others, FFN, 3 layers",
            ["mamba2", "mlp"] * 2 + ["multi_query", "mlp"],
        ),
        ("MQA in every 3rd layer, Mamba-2 elsewhere, 3 layers", ["mamba2", "mamba2", "multi_query"]),
        ("MQA in every other layer and Mamba-2 in the rest, 2 layers", ["mamba2", "multi_query"]),
        ("parallel attention and FFN, 2 layers", [["multi_head", "mlp"]] * 2),
        ("attention and FFN in parallel, 2 layers", [["multi_head", "mlp"]] * 2),
        ("parallel (attention, Mamba and FFN), 1 layer", [["multi_head", "mamba", "mlp"]]),
        ("parallel attention and Mamba-2, FFN, 2 layers", [["multi_head", "mamba2"], "mlp"] * 2),
        ("sliding window 16 and FFN, 1 layer", ["sliding_window", "mlp"]),
        (
            "1 + 1 layers, encoder-decoder, attention and FFN",
            ["multi_head", "mlp", "multi_head", "multi_head", "mlp"],
        ),
        (
            "encoder-decoder, 1 encoder and 2 decoder layers, Transformer",
            ["multi_head", "mlp"] + ["multi_head", "multi_head", "mlp"] * 2,
        ),
        (
            "encoder-decoder, 1 + 1 layers, Transformer, sliding window 8",
            ["multi_head", "mlp", "multi_head", "multi_head", "mlp"],
        ),
    ],
)
def test_which_blocks(sentence: str, expected: list[Any]) -> None:
    assert built(sentence, None) == expected


def test_the_others_have_the_same_heads_and_no_window() -> None:
    made = plan("sliding-window attention of 16 with 4 heads in 1 of 2 layers, FFN, RoPE", 4)
    local, full = made.layers[0].type.mixer, made.layers[2].type.mixer
    assert (local.window, full.window) == (16, None)
    assert local.n_heads == full.n_heads == 4
    assert local.position == full.position is not None


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("attention and FFN, sliding window 128", {"window": 128}),
        ("8 heads, attention and FFN", {"n_heads": 8}),
        ("Transformer with 8 heads", {"n_heads": 8}),
        ("attention with QK-norm, FFN", {"qk_norm": "rmsnorm"}),
        ("Transformer, LayerNorm, QK-norm", {"qk_norm": "layernorm"}),
        ("Transformer with 2 heads, no norm, QK-norm", {"n_heads": 2, "qk_norm": "rmsnorm"}),
        ("attention (8 heads, qkv bias) and FFN", {"n_heads": 8, "qkv_bias": True}),
        ("attention (RoPE theta 5000), FFN", {"position": {"rope": {"theta": 5000}}}),
        ("attention with RoPE theta 5000, FFN", {"position": {"rope": {"theta": 5000}}}),
        ("Transformer, RoPE theta 500000", {"position": {"rope": {"theta": 500_000}}}),
        ("attention and FFN with RoPE", {"position": "rope"}),
        ("Transformer, ALiBi", {"position": "alibi"}),
        ("attention without qkv bias, FFN", {"qkv_bias": False}),
        ("Transformer, encoder-only", {"mask": "bidirectional"}),
    ],
)
def test_options_and_positions(sentence: str, expected: dict[str, Any]) -> None:
    assert plan(sentence).canonical.blocks["attention"].options == expected


@pytest.mark.parametrize(
    ("clause", "residual", "norm", "final"),
    [
        ("sandwich norm", "sandwich", "rmsnorm", True),
        ("DeepNorm", "post", "rmsnorm", False),
        ("post-LayerNorm", "post", "layernorm", False),
        ("pre-RMSNorm", "pre", "rmsnorm", True),
        ("no norm", "pre", None, False),
    ],
)
def test_norms_and_residuals(clause: str, residual: str, norm: str | None, final: bool) -> None:
    made = plan(f"Transformer, {clause}")
    kind = made.layers[0].type
    assert (kind.residual, kind.norm and kind.norm.name) == (residual, norm)
    assert (kind.alpha > 1) == (clause == "DeepNorm")
    assert ("norm" in [stage.role for stage in made.stages]) == final


def test_forms_and_heads() -> None:
    encoder = plan("BERT: encoder-only Transformer".removeprefix("BERT: "))
    assert [stage.role for stage in encoder.stages] == ["embedding", "stack", "norm"]
    assert [s.role for s in plan("decoder-only Transformer, no head").stages] == [
        "embedding",
        "stack",
        "norm",
    ]
    assert plan("encoder-only Transformer, LM head, tied embeddings").stages[-1].component.tied
    assert len(plan("shared Transformer", 4).shares) == 2
    two = plan("encoder-decoder Transformer with 2 layers, tied embeddings, ALiBi", None)
    assert [stream.name for stream in two.streams] == ["encoder", "decoder"]
    masks = [layer.type.mixer.mask for layer in two.layers if layer.symbol != "-"]
    assert masks == ["bidirectional"] * 2 + ["causal"] * 4
    positions = [layer.type.mixer.position for layer in two.layers if layer.symbol != "-"]
    assert [position is not None for position in positions] == [True, True, True, False, True, False]
    assert [stage.component.share for stage in two.stages if stage.role == "embedding"] == ["vocabulary"] * 2


def test_sizes_may_stand_in_the_sentence() -> None:
    recipe = Recipe(recipe="r", d_model=64, model="d_model 64, 2 layers, Transformer, vocabulary of 32k")
    made = recipe.plan()
    assert (made.sizes.vocab_size, len(made.layers)) == (32_000, 4)


def test_a_strangers_words_set_options_and_replace_the_usual_block() -> None:
    registry = Registry.installed().with_plugin(_Plugin(retention=Retention))
    made = blocks.load(text("12 heads, retention and FFN")).plan(registry=registry)
    mixer: Any = made.layers[0].type.mixer
    assert mixer.n_heads == 12


@pytest.mark.parametrize(
    ("sentence", "depth", "code", "says"),
    [
        ("24 layers, attention and FFN", 24, "B0504", "'24 layers' are 48 blocks, but depth is 24"),
        ("4 layers, 5 layers, attention", None, "B0504", "'5 layers' contradicts '4 layers'"),
        ("d_model 64, Transformer", 4, "B0504", "'d_model 64', but d_model is 512"),
        ("vocabulary of 9, vocabulary of 10, Mamba", 4, "B0504", "vocab_size is 32,000"),
        ("0 layers, Mamba", None, "B0504", "'0 layers' is no depth"),
        ("52 layers, 8% attention, interleaved Mamba-2 and FFN", None, "B0505", "'52 layers' could count"),
        ("encoder-decoder Transformer", 24, "B0505", "a depth does not say how many layers"),
        ("encoder-decoder Transformer, 30 blocks", None, "B0505", "an encoder's layers have fewer blocks"),
        ("attention in 4 of 4 layers, FFN", 8, "B0506", "'in 4 of 4 layers' is not a part"),
        ("Mamba-2 in 7 of 8 layers and FFN", 16, "B0506", "what stands in the layers besides"),
        ("attention in the others and FFN", 16, "B0506", "no block before this leaves layers"),
        (
            "MQA in 1 of 997 layers, Mamba in the rest, MQA in 1 of 991 layers, FFN in the rest",
            4,
            "B0506",
            "repeat after",
        ),
        ("encoder-only, Mamba-2 and FFN", 16, "B0507", "Mamba-2 looks back only"),
        ("encoder-decoder, 2 layers, FFN", None, "B0507", "none of the blocks can read the encoder"),
        ("Mamba-2 and FFN, 8 kv heads", 16, "B0508", "nothing here takes '8 kv heads'"),
        (
            "sliding-window attention in 3 of 4 layers, FFN",
            13,
            "B0509",
            "13 blocks are no whole number of layers",
        ),
        ("parallel attention, FFN", 16, "B0510", "'parallel attention' names 1 of the blocks"),
        ("attention in parallel", 16, "B0510", "'in parallel' needs two blocks"),
        ("6 + 6 layers, attention and FFN", None, "B0511", "are an encoder's and a decoder's"),
        ("cross-attention", 16, "B0511", "reads an encoder, and there is none"),
        ("encoder-decoder, 2 layers, cross-attention", None, "B0507", "all blocks read the encoder"),
        ("encoder-decoder, 2 layers, Mamba, attention", None, "B0507", "Mamba looks back only"),
        ("2 layers, Mamba, with the heads 3", None, "B0508", "nothing here takes 'the heads 3'"),
        ("cross-attention and FFN", 16, "B0511", "reads an encoder, and there is none"),
        ("Transformer, Mamba-2", 16, "B0502", "both say which blocks take turns"),
        ("encoder-only Transformer, tied embeddings", 16, "B0502", "there is no head to tie"),
        ("encoder-decoder, 2 layers, 1 attention, Mamba and FFN", None, "B0502", "scatters no blocks"),
    ],
)
def test_what_cannot_be(sentence: str, depth: int | None, code: str, says: str) -> None:
    found, *others = problems(sentence, depth)
    assert found.code == code
    assert found not in others
    assert says in found.message
    assert found.span is not None


def test_a_size_that_is_said_twice_is_shown_twice() -> None:
    assert (
        golden("24 layers, attention and FFN", 24)
        == """\
error[B0504]: '24 layers' are 48 blocks, but depth is 24
  --> <text>:5:8
4 | depth: 24
  |        -- depth is set here
5 | model: 24 layers, attention and FFN
  |        ^^^^^^^^^
  = help: depth counts blocks: keep one of them"""
    )


def test_the_nearest_clauses_are_shown() -> None:
    (found,) = problems("sliding attention everywhere, FFN")
    assert found.help == "clauses such as: sliding-window attention; attention; self-attention"


def _specs() -> Iterator[SimpleNamespace]:
    for kind in ("mixer", "norm", "position"):
        for entry in Registry.installed().of_kind(kind):
            yield SimpleNamespace(kind=kind, name=entry.name, cls=entry.load())


@pytest.mark.parametrize("spec", list(_specs()), ids=lambda spec: spec.name)
def test_every_phrase_of_an_installed_component_means_it(spec: SimpleNamespace) -> None:
    for phrase in (spec.name, *spec.cls.__dict__.get("phrases", ())):
        sentence = f"{phrase}, FFN" if spec.kind == "mixer" else f"attention, FFN, {phrase}"
        if spec.name == "bahdanau":  # it reads an encoder
            sentence = f"encoder-decoder, 1 + 1 layers, no residual, GRU and {phrase}"
        if spec.cls.name == "mlp":
            sentence = phrase
        made = plan(sentence, None if "layers" in sentence else 52)
        used = {layer.type.mixer.name for layer in made.layers} | {
            part.name
            for layer in made.layers
            for part in (layer.type.norm, getattr(layer.type.mixer, "position", None))
            if part is not None
        }
        used |= {stage.component.name for stage in made.stages if stage.component is not None}
        assert spec.name in used


# What the words say -----------------------------------------------------------------------------------


@pytest.mark.parametrize("words", ["local attention and full attention", "local and global attention"])
def test_full_attention_has_no_window(words: str) -> None:
    found = mixers(f"{words}, window 128")
    assert (found["attention"]["window"], found["multi_head"].get("window")) == (128, None)


def test_a_window_that_only_full_attention_could_take_is_refused() -> None:
    assert golden("full attention, FFN, window 128") == (
        "error[B0502]: 'window 128' contradicts 'full attention'\n"
        "  --> <text>:5:29\n"
        "5 | model: full attention, FFN, window 128\n"
        "  |                             ^^^^^^^^^^\n"
        "  |        -------------- said here\n"
        "  = help: keep one of them"
    )


@pytest.mark.parametrize(
    ("sentence", "attention", "ffn"),
    [
        ("Transformer with biases", True, True),
        ("attention with bias and FFN", True, None),
        ("attention (bias) and FFN (no bias)", True, False),
        ("Transformer, no bias", False, False),
    ],
)
def test_bias_means_all_biases(sentence: str, attention: bool, ffn: bool | None) -> None:
    found = mixers(sentence)
    assert [found["attention"][name] for name in ("qkv_bias", "out_bias")] == [attention, attention]
    assert found["ffn"].get("bias") is ffn


def test_a_bias_by_its_name_is_that_one_alone() -> None:
    found = mixers("attention (no out bias, bias) and FFN")["attention"]
    assert (found["qkv_bias"], found["out_bias"]) == (True, False)
    assert "out_bias" not in mixers("attention with qkv bias and FFN")["attention"]


@pytest.mark.parametrize(
    ("sentence", "code", "words"),
    [
        ("averaged, attention and FFN", "B0510", "averaged"),
        ("causal attention and FFN, encoder-only", "B0502", "causal attention"),
        ("causal attention and FFN, encoder-decoder, 4 + 4 layers", "B0502", "causal attention"),
        ("post-norm, no norm, Transformer", "B0502", "no norm"),
        ("DeepNorm, Transformer, no norm", "B0502", "no norm"),
        ("Transformer, -12 layers", "B0504", "-12 layers"),
        ("Transformer, −12 layers", "B0504", "−12 layers"),
        ("Transformer, d_model -64", "B0501", "d_model -64"),
        ("cross-attention, FFN, encoder-decoder, 4 + 4 layers", "B0507", "cross-attention"),
        ("Transformer with 2 heads, 8 heads, 4 heads", "B0502", "8 heads"),
    ],
)
def test_no_clause_vanishes(sentence: str, code: str, words: str) -> None:
    found = problems(sentence, None if "layers" in sentence else 12)
    assert code in [one.code for one in found]
    problem = next(one for one in found if one.code == code)
    assert words in problem.message


@pytest.mark.parametrize(
    ("sentence", "pool"),
    [
        ("Transformer, classifier head", "last"),
        ("Mamba-2, classifier", "last"),
        ("encoder-only Transformer, classifier head", "first"),
        ("bidirectional attention and FFN, classifier head", "first"),
        ("Transformer, classifier head (pool mean)", "mean"),
    ],
)
def test_a_classifier_reads_a_token_that_has_seen_the_others(sentence: str, pool: str) -> None:
    (head,) = (stage.component for stage in plan(sentence, 12).stages if stage.role == "head")
    assert head.pool == pool


@pytest.mark.parametrize(
    ("sentence", "same"),
    [
        ("Mamba-2 and FFN with 8% attention", "8% attention, Mamba-2 and FFN"),
        ("Mamba-2 and FFN with 4 attention layers", "4 attention, Mamba-2 and FFN"),
        ("Mamba-2 and FFN, attention 8%", "8% attention, Mamba-2 and FFN"),
        ("Transformers, RMSnorms", "Transformer, RMSNorm"),
        ("interleaved local and global attention", "interleaved local attention and full attention"),
        ("attention and FFN with 2x expansion", "attention and FFN with d_ff 1024"),
        ("Transformer, 2x expansion", "attention and FFN with d_ff 1024"),
        ("Transformer with 16 heads, ReLU", "attention with 16 heads and ReLU FFN"),
        ("Transformer, logit softcap 30", "Transformer, lm head (logit cap 30)"),
        ("Transformer, logit cap 30, tied", "Transformer, lm head (logit cap 30), tied embeddings"),
    ],
)
def test_other_ways_to_say_it(sentence: str, same: str) -> None:
    assert same_plan(plan(sentence), plan(same))


@pytest.mark.parametrize("sentence", ["attention and shared FFN", "Transformer, shared FFN"])
def test_one_shared_kind_of_block(sentence: str) -> None:
    found = plan(sentence, 12).canonical.blocks
    assert (found["attention"].share, bool(found["ffn"].share)) == (None, True)


@pytest.mark.parametrize(
    ("sentence", "help"),
    [
        ("no RoPE, Transformer", "write no positions"),
        ("Transformer, not tied", "write untied embeddings"),
        ("Transformer, no tied embeddings", "write untied embeddings"),
        ("Transformer, no attention", "a model has the blocks that are named and no other: Mamba-2 and FFN"),
        ("Transformer, no pre-norm", "name another one: post-norm; sandwich norm; DeepNorm; no residual"),
        ("Transformer, no RMSNorm", "write no norm, or the name of another norm"),
        ("Transformer, not encoder-only", "name another one: decoder-only; encoder-only; encoder-decoder"),
        ("Transformer, not shared", "leave 'not shared' out: it is only so where a sentence says so"),
        ("BERT", "a recipe can start from it: extends: zoo/bert-like"),
        ("GPT-2 style", "a recipe can start from it: extends: gpt2 or gpt2-xl"),
        ("Llama-like", "a recipe can start from it: extends: llama-3.1-8b or llama-3.1-70b"),
        ("Transformer, 8 haeds", "did you mean 'heads'?"),
        (
            "attention and FFN, in every 4th layer",
            "say it right behind a block: attention in every 4th layer",
        ),
        ("Transformer, RoPE 10000", "RoPE theta 10000"),
        ("Transformer, RMSNorm 1e-6", "RMSNorm eps 1e-6"),
    ],
)
def test_the_help_says_what_to_write(sentence: str, help: str) -> None:
    assert [(one.code, one.help) for one in problems(sentence)] == [("B0501", help)]


def test_a_typo_is_no_missing_depth() -> None:
    (problem,) = problems("Transformer, 12 layrs", None)
    assert (problem.code, problem.help) == ("B0501", "did you mean 'layers'?")
