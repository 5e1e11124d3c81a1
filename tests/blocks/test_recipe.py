"""Recipes: the structure that is read, the same objects in Python, and what a wrong structure is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

import blocks
from blocks import Recipe, RecipeError

GOOD = """\
recipe: r
d_model: 64
vocab_size: 100
model:
  - embed: tokens
  - head: lm
"""


def golden(text: str) -> str:
    with pytest.raises(RecipeError) as caught:
        blocks.load(text)
    return str(caught.value)


def test_text_and_file_load_alike(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(GOOD)
    assert blocks.load(path) == blocks.load(str(path)) == blocks.load(GOOD)
    assert blocks.load(path).document is not None


def test_python_and_yaml_are_the_same_objects() -> None:
    made = Recipe.model_validate(
        {"recipe": "r", "d_model": 64, "vocab_size": 100, "model": [{"embed": "tokens"}, {"head": "lm"}]}
    )
    assert made == blocks.load(GOOD)
    assert made.document is None
    assert repr(made) == "Recipe('r', d_model=64, vocab_size=100)"


def test_wrong_structure_is_told_all_at_once() -> None:
    text = GOOD.replace("d_model", "d_modle").replace("100", "[1]").replace("head: lm", "haed: lm")
    assert (
        golden(text)
        == """\
error[B0202]: the key 'd_model' is missing
  --> <text>:1:1
1 | recipe: r
  | ^^^^^^^^^
  = help: add d_model: width of the residual stream, in channels

error[B0201]: unknown key 'd_modle'
  --> <text>:2:1
2 | d_modle: 64
  | ^^^^^^^
  = help: did you mean 'd_model'?

error[B0203]: expected a whole number or an expression, found a list
  --> <text>:3:13
3 | vocab_size: [1]
  |             ^^^
  = help: vocab_size: number of token ids; default: the tokenizer's

error[B0201]: unknown key 'haed'
  --> <text>:6:5
6 |   - haed: lm
  |     ^^^^
  = help: did you mean 'head'?"""
    )


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        ("recipe: r", "recipe: ../r", "B0206", 1),
        ("recipe: r", "recipe: 3", "B0203", 1),
        ("d_model: 64", "d_model: -1", "B0302", 2),
        ("d_model: 64", "d_model: true", "B0203", 2),
        ("d_model: 64", "d_model: 1e6", "B0203", 2),
        ("d_model: 64", "d_model: 10000000000000", "B0302", 2),
        ("- embed: tokens", "- {embed: tokens, norm: rmsnorm}", "B0204", 5),
        ("- embed: tokens", "- {}", "B0204", 5),
        ("- embed: tokens", "- stack: {depth: 2, cycle: []}", "B0302", 5),
        ("- embed: tokens", "- stack: {dept: 2}", "B0201", 5),
        ("- embed: tokens", "- stack: {residual: sideways}", "B0205", 5),
        ("- embed: tokens", "- stack: {name: A-B}", "B0206", 5),
        ("\nmodel:", "\nblocks: {a: mamba2}\nmodel:", "B0203", 4),
        ("\nmodel:", "\nlet: {x: [1]}\nmodel:", "B0203", 4),
    ],
)
def test_what_a_structure_can_get_wrong(old: str, new: str, code: str, line: int) -> None:
    with pytest.raises(RecipeError) as caught:
        blocks.load(GOOD.replace(old, new))
    found = [(d.code, d.span and d.span.line) for d in caught.value.diagnostics]
    assert (code, line) in found, caught.value


def test_not_a_mapping() -> None:
    assert "error[B0208]: a recipe is a mapping" in golden("- a: b\n")


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("d_model: 64", "d_model: 0", "B0302"),
        ("\nmodel:", "\nblocks: {a: {n_heads: 3}}\nmodel:", "B0209"),
        ("d_model: 64", "d_model: 4 *", "B0301"),
        ("d_model: 64", "d_model: vocab", "B0315"),
        ("d_model: 64", "d_model: vocab_size\nlet: {d_model: 3}", "B0316"),
        ("vocab_size: 100", "vocab_size: d_model / 3", "B0303"),
        ("vocab_size: 100", "let: {a: b, b: a}", "B0305"),
        ("vocab_size: 100\n", "", "B0202"),
        ("embed: tokens", "embed: tokns", "B0601"),
        ("embed: tokens", "embed: {tokens: {vocab_size: 0}}", "B0302"),
        ("head: lm", "head: {lm: {tied: 'no'}}", "B0203"),
    ],
)
def test_what_sizes_and_slots_can_get_wrong(old: str, new: str, code: str) -> None:
    with pytest.raises(RecipeError) as caught:
        blocks.load(GOOD.replace(old, new)).plan()
    assert code in [found.code for found in caught.value.diagnostics]
    assert all(found.span for found in caught.value.diagnostics)


def test_a_recipe_in_python_is_strict() -> None:
    with pytest.raises(ValidationError, match="d_modle"):
        Recipe.model_validate({"recipe": "r", "d_model": 3, "d_modle": 3, "model": "Mamba-2"})
    with pytest.raises(ValidationError):
        Recipe.model_validate({"recipe": "r", "d_model": float("inf"), "model": "Mamba-2"})
