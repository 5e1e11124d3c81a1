"""The published architectures: exact totals, patterns and dimensions, and a tiny sibling of each shape."""

import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import blocks
from blocks.component import Component
from blocks.plan import Plan

FOLDER = Path(__file__).resolve().parents[2] / "recipes"
FILES = sorted(FOLDER.glob("*.yaml"))
MAX_LINES, MAX_TINY_PARAMETERS = 60, 10_000_000

TOTALS = {
    "gpt2": 124_439_808,
    "gpt2-xl": 1_557_611_200,
    "llama-3.1-8b": 8_030_261_248,
    "llama-3.1-70b": 70_553_706_496,
    "qwen2.5-7b": 7_615_616_512,
    "qwen2.5-72b": 72_706_203_648,
    "mistral-7b": 7_241_732_096,
    "mamba-130m": 129_135_360,
    "mamba-2.8b": 2_768_345_600,
    "mamba2-130m": 128_989_632,
    "mamba2-2.7b": 2_702_599_680,
    "codestral-mamba-7b": 7_285_403_648,
    "nemotron-h-8b": 8_100_852_736,
    "nemotron-h-47b": 46_791_554_816,
    "nemotron-h-56b": 56_324_350_464,
    "lstm-ptb-small": 4_651_600,  # worked out by hand in test_lstm
    "lstm-ptb-medium": 19_775_200,
    "rnnsearch-50": 80_442_000,  # worked out by hand in test_rnnsearch
    "transformer-base": 63_082_496,  # worked out by hand in test_transformer
    "transformer-big": 214_245_376,
    "vit-base-16": 86_567_656,
}

SIBLINGS = {
    "gpt2": "gpt2-tiny",
    "gpt2-xl": "gpt2-tiny",
    "llama-3.1-8b": "llama-3.1-tiny",
    "llama-3.1-70b": "llama-3.1-tiny",
    "qwen2.5-7b": "qwen2.5-tiny",
    "qwen2.5-72b": "qwen2.5-tiny",
    "mistral-7b": "mistral-tiny",
    "mamba-130m": "mamba-tiny",
    "mamba-2.8b": "mamba-tiny",
    "mamba2-130m": "mamba2-tiny",
    "mamba2-2.7b": "mamba2-tiny",
    "codestral-mamba-7b": "codestral-mamba-tiny",
    "nemotron-h-8b": "nemotron-h-tiny",
    "nemotron-h-47b": "nemotron-h-47b-tiny",
    "nemotron-h-56b": "nemotron-h-tiny",
    "lstm-ptb-small": "lstm-tiny",
    "lstm-ptb-medium": "lstm-tiny",
    "rnnsearch-50": "rnnsearch-tiny",
    "transformer-base": "transformer-tiny",
    "transformer-big": "transformer-tiny",
    "vit-base-16": "vit-tiny",
}

# Blakeman et al. 2025, arXiv:2504.03624
PATTERNS = {
    "nemotron-h-8b": "M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M-",
    "nemotron-h-47b": (
        "M-M-M-M-M-M-M-M-M*-M-M-M-M-M-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M-M-M---MM---M-M*-M-M-M-M-M-"
    ),
    "nemotron-h-56b": "M-M-M-M*-" + 9 * "M-M-M-M-M*-" + "M-M-M-M-M-",
}
NEMOTRON = {  # mamba, attention, ffn blocks; d_model, d_ff; heads, kv heads; Mamba heads, state
    "nemotron-h-8b": (24, 4, 24, 4096, 21504, 32, 8, 128, 128),
    "nemotron-h-47b": (45, 5, 48, 8192, 30720, 64, 8, 256, 256),
    "nemotron-h-56b": (54, 10, 54, 8192, 32768, 64, 8, 256, 256),
}
DECODERS = {  # layers, d_model, heads, kv heads, d_ff, vocabulary
    "gpt2": (12, 768, 12, 12, 3072, 50257),
    "gpt2-xl": (48, 1600, 25, 25, 6400, 50257),
    "llama-3.1-8b": (32, 4096, 32, 8, 14336, 128256),
    "llama-3.1-70b": (80, 8192, 64, 8, 28672, 128256),
    "qwen2.5-7b": (28, 3584, 28, 4, 18944, 152064),
    "qwen2.5-72b": (80, 8192, 64, 8, 29568, 152064),
    "mistral-7b": (32, 4096, 32, 8, 14336, 32000),
}


def path(name: str) -> Path:
    return FOLDER / f"{name}.yaml"


@cache
def plan(name: str) -> Plan:
    return blocks.load(path(name)).plan()


def parameters(name: str) -> int:
    return sum(node.cost.parameters(node.width) for node in blocks.compile_graph(path(name)).walk())


def comment(name: str) -> str:
    """The comment on top of a recipe, as one line of text."""
    lines = path(name).read_text(encoding="utf-8").splitlines()
    top = lines[: next(i for i, line in enumerate(lines) if not line.startswith("#"))]
    return " ".join(line.removeprefix("#").strip() for line in top)


def mixer(name: str, kind: str) -> Any:
    return next(layer.type.mixer for layer in plan(name).layers if layer.type.mixer.name == kind)


UNSET = (("dim", False), ("scale", False), ("logit_cap", False))
"""Options of the language-model head that Nemotron-H leaves alone."""


def choices(component: Component | None) -> tuple[Any, ...] | None:
    """What a component is, without its sizes: its name, switches, named choices, and the components in it."""
    if component is None:
        return None
    made: list[Any] = [component.name]
    for option in type(component).model_fields:
        value = getattr(component, option)
        if isinstance(value, Component):
            made.append((option, choices(value)))
        else:
            made.append((option, value if isinstance(value, bool | str) else value is not None))
    return tuple(made)


def shape(name: str) -> list[Any]:
    """What a tiny sibling shares with its large ones: everything but sizes, counts and order of blocks."""
    found: list[Any] = []
    for stage in plan(name).stages:
        used = {layer.type for layer in stage.layers}
        kinds = {(kind.name, choices(kind.mixer), choices(kind.norm), kind.residual) for kind in used}
        found.append((stage.path, stage.role, choices(stage.component), kinds))
    return found


def layout_keys(name: str) -> set[str]:
    model = blocks.load(path(name)).model
    assert not isinstance(model, str)
    streams = model.values() if isinstance(model, dict) else [model]
    stages = [stage for stream in streams for stage in stream]
    return {key for stage in stages if stage.stack for key in stage.stack.model_fields_set}


# Every recipe


@pytest.mark.parametrize("name", [file.stem for file in FILES])
def test_recipe_is_sound_and_readable(name: str) -> None:
    text = path(name).read_text(encoding="utf-8")
    assert plan(name).name == name
    assert plan(name).layers
    assert re.search(r"arXiv:\d{4}\.\d{4,5}|\breport\b", comment(name)), "the comment on top names no paper"
    assert re.search(r"\b(19|20)\d\d\b", comment(name)), "the comment on top names no year"
    assert plan(name).about
    assert len(text.splitlines()) <= MAX_LINES
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert not re.search(r"[ \t]+$", text, re.MULTILINE)


def test_every_recipe_is_known_here() -> None:
    assert {file.stem for file in FILES} == {*TOTALS, *SIBLINGS.values(), "hybrid-tiny"}


# The published ones


@pytest.mark.parametrize(("name", "total"), TOTALS.items())
def test_parameters_are_those_published(name: str, total: int) -> None:
    assert parameters(name) == total


@pytest.mark.parametrize(("name", "pattern"), PATTERNS.items())
def test_nemotron_pattern(name: str, pattern: str) -> None:
    assert plan(name).pattern == pattern


@pytest.mark.parametrize(("name", "expected"), NEMOTRON.items())
def test_nemotron_dimensions(name: str, expected: tuple[int, ...]) -> None:
    mamba, attention, ffn = mixer(name, "mamba2"), mixer(name, "multi_head"), mixer(name, "mlp")
    counts = Counter(layer.type.mixer.name for layer in plan(name).layers)
    assert expected == (
        counts["mamba2"], counts["multi_head"], counts["mlp"], plan(name).sizes.d_model, ffn.d_ff,
        attention.n_heads, attention.n_kv_heads, mamba.n_heads, mamba.d_state,
    )  # fmt: skip


@pytest.mark.parametrize("name", NEMOTRON)
def test_nemotron_constants(name: str) -> None:
    mamba, attention, ffn = mixer(name, "mamba2"), mixer(name, "multi_head"), mixer(name, "mlp")
    head = plan(name).stages[-1].component
    assert plan(name).sizes.vocab_size == 131072
    assert (mamba.head_dim, mamba.n_groups, mamba.norm_groups, mamba.d_conv) == (64, 8, 8, 4)
    assert (mamba.conv_bias, mamba.bias, mamba.norm_before_gate, mamba.eps) == (True, False, False, 1e-5)
    assert (attention.head_dim, attention.position, attention.mask) == (128, None, "causal")
    assert (attention.window, attention.qkv_bias, attention.out_bias) == (None, False, False)
    assert (ffn.activation, ffn.bias) == ("relu2", False)
    assert choices(head) == ("lm", ("tied", False), ("bias", False), ("vocab_size", True), *UNSET)
    assert [stage.role for stage in plan(name).stages] == ["embedding", "stack", "norm", "head"]
    norms = [layer.type.norm for layer in plan(name).layers] + [plan(name).stages[-2].component]
    assert {(norm.name, norm.eps) for norm in norms if norm} == {("rmsnorm", 1e-5)}  # type: ignore[attr-defined]
    assert {layer.type.residual for layer in plan(name).layers} == {"pre"}


def test_nemotron_layouts_are_said_in_words() -> None:
    assert layout_keys("nemotron-h-8b") >= {"interleave", "scatter"}
    assert layout_keys("nemotron-h-56b") >= {"interleave", "scatter"}
    assert "pattern" in layout_keys("nemotron-h-47b")


@pytest.mark.parametrize(("name", "expected"), DECODERS.items())
def test_decoder_dimensions(name: str, expected: tuple[int, ...]) -> None:
    pair: list[Any] = [layer.type.mixer for layer in plan(name).layers[:2]]
    attention, ffn = pair
    assert plan(name).pattern == expected[0] * "*-"
    d_model, vocab = plan(name).sizes.d_model, plan(name).sizes.vocab_size
    assert expected[1:] == (d_model, attention.n_heads, attention.n_kv_heads, ffn.d_ff, vocab)
    assert attention.head_dim == (64 if name.startswith("gpt2") else 128)


@pytest.mark.parametrize("name", ["llama-3.1-8b", "llama-3.1-70b"])
def test_llama_scales_its_rotations(name: str) -> None:
    rope = mixer(name, "grouped_query").position
    assert (rope.theta, rope.scaling, rope.factor) == (500_000, "llama3", 8)
    assert (rope.low_freq_factor, rope.high_freq_factor, rope.original_max_len) == (1, 4, 8192)


@pytest.mark.parametrize(("name", "eps"), [("qwen2.5-7b", 1e-6), ("qwen2.5-72b", 1e-5)])
def test_qwen_norms_and_biases(name: str, eps: float) -> None:
    attention = mixer(name, "grouped_query")
    norms: list[Any] = [layer.type.norm for layer in plan(name).layers] + [plan(name).stages[-2].component]
    assert {norm.eps for norm in norms} == {eps}
    assert (attention.qkv_bias, attention.out_bias, attention.position.theta) == (True, False, 1_000_000)


def test_mistral_slides() -> None:
    attention = mixer("mistral-7b", "sliding_window")
    assert (attention.window, attention.position.theta) == (4096, 10_000)


# The tiny ones


@pytest.mark.parametrize(("large", "tiny"), SIBLINGS.items())
def test_tiny_sibling_has_the_same_shape(large: str, tiny: str) -> None:
    assert shape(tiny) == shape(large)
    assert layout_keys(tiny) == layout_keys(large)
    assert large in comment(tiny)


@pytest.mark.parametrize("tiny", sorted({*SIBLINGS.values(), "hybrid-tiny"}))
def test_tiny_sibling_is_tiny(tiny: str) -> None:
    assert parameters(tiny) <= MAX_TINY_PARAMETERS
    reads = plan(tiny).streams[0].inputs[0].name
    assert plan(tiny).sizes.vocab_size == (256 if reads == "tokens" else None)


def test_hybrid_is_one_sentence() -> None:
    recipe = blocks.load(path("hybrid-tiny"))
    assert recipe.model == "8% attention, interleaved Mamba-2 and FFN, pre-norm, RoPE"
    assert plan("hybrid-tiny").pattern == "M-M-M*-M-M-M-"
    attention = next(layer.type.mixer for layer in plan("hybrid-tiny").layers if layer.symbol == "*")
    assert choices(attention.position)[0] == "rope"  # type: ignore[attr-defined,index]
