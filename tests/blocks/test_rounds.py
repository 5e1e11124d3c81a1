"""What stands in which layer, and after how many layers all repeats."""

from __future__ import annotations

import pytest

from blocks import Recipe, Registry
from blocks.clauses import Reading
from blocks.entries import Entries, Use
from blocks.resolve import Resolver
from blocks.rounds import Element, elements, round_length, streams


def parse(sentence: str) -> tuple[list[Element], Entries]:
    recipe = Recipe(recipe="r", d_model=64, vocab_size=10, depth=48, model=sentence)
    resolver = Resolver(recipe, Registry.installed())
    assert resolver.resolve_sizes(None)
    reading = Reading(recipe, resolver)
    reading.read()
    entries = Entries(recipe, resolver, reading)
    found = elements(reading, entries)
    assert found is not None, resolver.problems.diagnostics
    return found, entries


@pytest.mark.parametrize(
    ("sentence", "length", "names"),
    [
        ("attention and FFN", 1, ["attention", "ffn"]),
        ("Mamba in 2 of 3 layers, MQA in the others", 3, ["mamba", "mamba", "attention"]),
        ("MQA in every 3rd layer, Mamba in the others", 3, ["mamba", "mamba", "attention"]),
        (
            "Mamba in 1 of 2 layers, MQA in the others, FFN in 2 of 3 layers, Mamba-2 in the rest",
            6,
            [
                "mamba",
                "ffn",
                "attention",
                "ffn",
                "mamba",
                "mamba2",
                "attention",
                "ffn",
                "mamba",
                "ffn",
                "attention",
                "mamba2",
            ],
        ),
        ("parallel attention and FFN, Mamba", 1, ["parallel", "mamba"]),
    ],
)
def test_rounds(sentence: str, length: int, names: list[str]) -> None:
    found, entries = parse(sentence)
    assert round_length(found) == length
    assert [name for name, _ in streams(found, entries, Use())] == names


def test_a_decoder_reads_after_attending_to_itself() -> None:
    found, entries = parse("attention and FFN")
    assert [name for name, _ in streams(found, entries, Use(memory="encoder"))] == [
        "attention",
        "cross_attention",
        "ffn",
    ]
    found, entries = parse("Mamba, cross-attention and FFN")
    assert [name for name, _ in streams(found, entries, Use(memory="encoder"))] == [
        "mamba",
        "cross_attention",
        "ffn",
    ]
    assert [name for name, _ in streams(found, entries, Use())] == ["mamba", "ffn"]
