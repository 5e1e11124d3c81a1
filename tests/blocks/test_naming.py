"""Naming components: phrases with their options, and what is said where there is none."""

from __future__ import annotations

import pytest

from blocks import Recipe, Registry
from blocks.naming import Namer
from blocks.resolve import Resolver


def namer(sentence: str) -> Namer:
    recipe = Recipe(recipe="r", d_model=64, depth=2, model=sentence)
    return Namer(recipe, Resolver(recipe, Registry.installed()))


def test_a_phrase_with_its_options() -> None:
    found = namer("GQA with 2 kv heads, x")
    said = found.component(0, None)
    assert said is not None
    assert (said.meaning.value, said.options, found.slice(said.range)) == (
        "grouped_query", {"n_kv_heads": 2}, "GQA with 2 kv heads",
    )  # fmt: skip


def test_cross_attention() -> None:
    said = namer("cross-attention").component(0, None)
    assert said is not None
    assert said.cross


@pytest.mark.parametrize(
    ("sentence", "help"),
    [
        ("atention, x", "did you mean 'attention'?"),
        ("GQA attention windowed, x", "did you mean"),
        ("lots of it, x", "clauses such as: 8% attention"),
    ],
)
def test_what_is_not_understood(sentence: str, help: str) -> None:
    found = namer(sentence)
    found.not_understood(0)
    (problem,) = found.resolver.problems.diagnostics
    assert problem.code == "B0501"
    assert found.word(found.at) == ","
    if "GQA" not in sentence:
        assert (problem.help or "").startswith(help)
