"""Reading clauses: what was said, where it stands, and which words were not understood."""

from __future__ import annotations

from typing import Any

import pytest

from blocks import Recipe, Registry
from blocks.clauses import Reading
from blocks.naming import MAX_LENGTH
from blocks.resolve import Resolver


def read(sentence: str, depth: int | None = 12) -> Reading:
    recipe = Recipe(recipe="r", d_model=64, vocab_size=100, depth=depth, model=sentence)
    resolver = Resolver(recipe, Registry.installed(plugins=False))
    assert resolver.resolve_sizes(None)
    reading = Reading(recipe, resolver)
    reading.read()
    return reading


def found(reading: Reading) -> list[tuple[str, str]]:
    return [(d.code, d.message.removeprefix("model: ")) for d in reading.resolver.problems.diagnostics]


def names(said: list[Any]) -> list[str]:
    return [one.meaning.value for one in said]


def test_turns_shares_and_the_rest_are_told_apart() -> None:
    reading = read("25% attention, interleaved Mamba-2 and FFN, pre-norm, RoPE")
    assert names(reading.turns) == ["mamba2", "mlp"]
    assert [(one.meaning.value, one.share) for one in reading.scattered] == [("multi_head", "25%")]
    assert {kind: one.meaning.value for kind, one in reading.settled.items()} == {
        "residual": "pre", "position": "rope",
    }  # fmt: skip
    assert not found(reading)


@pytest.mark.parametrize(
    ("share", "value"), [("3", 3), ("8%", "8%"), ("12.5 %", "12.5%"), ("8 percent", "8%")]
)
def test_shares(share: str, value: int | str) -> None:
    (said,) = read(f"{share} attention, Mamba-2").scattered
    assert said.share == value


def test_places_are_those_of_the_words() -> None:
    reading = read("interleaved attention with 2 kv heads and FFN")
    attention, ffn = reading.turns
    assert reading.slice(attention.range) == "attention with 2 kv heads"
    assert reading.slice(attention.places["n_kv_heads"]) == "2 kv heads"
    assert reading.slice(ffn.range) == "FFN"
    assert reading.turns_range is not None
    assert reading.slice(reading.turns_range) == "interleaved attention with 2 kv heads and FFN"


@pytest.mark.parametrize(
    ("sentence", "options"),
    [
        ("attention with 2 kv heads and 4 heads, FFN", {"n_kv_heads": 2, "n_heads": 4}),
        ("attention with window of 4k, FFN", {"window": 4000}),
        ("sliding-window attention of 64 tokens and FFN", {"window": 64}),
        ("sliding-window attention of 64 tokens with 4 heads and FFN", {"window": 64, "n_heads": 4}),
        ("attention with a head dim of 16, FFN", {"head_dim": 16}),
        ("attention, FFN", {}),
    ],
)
def test_options(sentence: str, options: dict[str, int]) -> None:
    reading = read(sentence)
    assert not found(reading)
    assert reading.turns[0].options == options
    assert len(reading.turns) == 2


@pytest.mark.parametrize(
    ("sentence", "code", "says"),
    [
        ("quantum foam, attention", "B0501", "'quantum foam' is not understood"),
        ("8% quantum, attention", "B0501", "'quantum' is not understood as the name of a block"),
        ("8%, attention", "B0501", "8% of which block?"),
        ("8% RMSNorm, attention", "B0501", "'8% RMSNorm': only blocks have a share"),
        ("attention sideways, FFN", "B0501", "'sideways' is not understood after 'attention'"),
        ("attention FFN", "B0501", "a comma or `and` is missing before this"),
        ("attention with 3 wings, FFN", "B0501", "'3 wings' is not an option of 'attention'"),
        ("pre-norm, attention, post-norm", "B0502", "'post-norm' contradicts 'pre-norm'"),
        ("attention and FFN, RMSNorm, Mamba", "B0502", "'Mamba' and 'attention and FFN' both say which"),
        ("interleaved attention and FFN, interleaved Mamba", "B0502", "both say which blocks take turns"),
        ("1 attention, 1 Mamba, FFN", "B0502", "a sentence scatters one kind of block, here are two"),
        ("8% attention", "B0503", "only scattered blocks are named"),
        ("pre-norm", "B0503", "no clause says which blocks"),
    ],
)
def test_what_is_said_about_a_clause(sentence: str, code: str, says: str) -> None:
    (problem, *_) = found(read(sentence))
    assert problem[0] == code
    assert says in problem[1]


def test_saying_it_twice_is_no_contradiction() -> None:
    assert not found(read("pre-norm, attention, FFN, pre-norm, RoPE, RoPE"))


def test_an_error_does_not_hide_the_next() -> None:
    messages = [message for _, message in found(read("quantum foam, attention with 3 wings, sideways"))]
    assert len(messages) == 3


def test_a_sentence_needs_a_depth_and_has_an_end() -> None:
    assert ("B0503", "a sentence needs a depth") in found(read("attention", depth=None))
    fits = "attention" + " " * (MAX_LENGTH - len("attention"))
    assert not found(read(fits))
    assert found(read(fits + " ")) == [("B0501", f"a sentence has at most {MAX_LENGTH} characters")]
