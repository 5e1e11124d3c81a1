"""When two plans are the same model."""

from __future__ import annotations

import pytest

import blocks
from blocks import Plan
from blocks.same import same_modules, same_plan

BASE = """recipe: r
d_model: 32
vocab_size: 100
blocks: {a: {mixer: multi_head, n_heads: 4}, f: {mixer: mlp}}
model: [{embed: tokens}, {stack: {layers: "2 x [a, f]"}}, {norm: rmsnorm}, {head: lm}]
"""


def plan(*changes: tuple[str, str]) -> Plan:
    text = BASE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return blocks.load(text).plan()


@pytest.mark.parametrize(
    "changes",
    [
        (),
        (("recipe: r", "recipe: other"),),
        (("{a: {", "{x: {"), ("[a, f]", "[x, f]")),
        (('layers: "2 x [a, f]"', "depth: 4, interleave: [a, f]"),),
        (("mixer: mlp", "mixer: mlp, d_ff: 128"),),
    ],
)
def test_the_same(changes: tuple[tuple[str, str], ...]) -> None:
    assert same_plan(plan(), plan(*changes))


@pytest.mark.parametrize(
    "change",
    [
        ("d_model: 32", "d_model: 64"),
        ("vocab_size: 100", "vocab_size: 101"),
        ("vocab_size: 100", "tokenizer: byte"),
        ("n_heads: 4", "n_heads: 2"),
        ("n_heads: 4", "n_heads: 4, residual: post"),
        ("2 x [a, f]", "3 x [a, f]"),
        ("[a, f]", "[f, a]"),
        ("{mixer: mlp}", "{mixer: mlp, share: true}"),
        ("{norm: rmsnorm}", "{norm: layernorm}"),
        ("stack: {", "stack: {name: others, "),
        ("{head: lm}", "{head: {lm: {tied: true}}}"),
    ],
)
def test_not_the_same(change: tuple[str, str]) -> None:
    assert not same_plan(plan(), plan(change))


@pytest.mark.parametrize(("name", "same"), [("a", True), ("x", False)])
def test_branches_begin_paths(name: str, same: bool) -> None:
    """A block may be called anything, but beside others its name begins the paths of its parameters."""
    text = BASE.replace('"2 x [a, f]"', "[b, b]")
    one = blocks.load(text.replace("{mixer: mlp}}", "{mixer: mlp}, b: {parallel: [a, f]}}")).plan()
    other = blocks.load(
        text.replace("{a: {", f"{{{name}: {{").replace(
            "{mixer: mlp}}", f"{{mixer: mlp}}, b: {{parallel: [{name}, f]}}}}"
        )
    ).plan()
    assert same_modules(one, other) is same
    assert same_plan(one, other)
