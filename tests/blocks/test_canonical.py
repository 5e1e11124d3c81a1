"""The canonical recipe: everything spelled out, the same plan again, and a fixed point."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import blocks
from blocks import Plan
from blocks.canonical import canonical
from blocks.reader import read
from blocks.yaml_text import flow, scalar

RECIPES = sorted(Path(__file__).parents[2].joinpath("recipes").glob("**/*.yaml"))

HEAD = """\
recipe: r
about: "It's [3 x [a] of: \\u2028 # things"
d_model: 64
vocab_size: 1k
tokenizer: byte
let: {inner: 3 * d_model}
blocks:
  mamba2:    {mixer: mamba2, d_state: 16, head_dim: 16}
  attention: {mixer: multi_head, n_heads: 4, position: {rope: {theta: 5e5}}, norm: {layernorm: {eps: 1e-6}}}
  ffn:       {mixer: mlp, d_ff: inner, residual: post}
model:
  - embed: tokens
  - position: none
  - stack:
"""


def plan(stack: str) -> Plan:
    lines = "".join(f"      {line}\n" for line in stack.splitlines())
    return blocks.load(f"{HEAD}{lines}  - norm: rmsnorm\n  - head: lm\n").plan()


def meaning(made: Plan) -> Any:
    return (
        made.name,
        made.about,
        made.sizes.d_model,
        made.sizes.vocab_size,
        made.tokenizer,
        [(stage.path, stage.component) for stage in made.stages],
        [(x.path, x.symbol, x.type.name, x.type.mixer, x.type.norm, x.type.residual) for x in made.layers],
    )


def again(made: Plan) -> str:
    text = canonical(made)
    other = blocks.load(text).plan()
    assert meaning(other) == meaning(made)
    assert canonical(other) == text
    assert all(len(line) < 110 for line in text.splitlines() if "pattern:" not in line)
    return text


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_recipes_of_the_repository(path: Path) -> None:
    again(blocks.load(path).plan())


def test_a_branch_that_says_none_says_it_again() -> None:
    text = """\
recipe: r
d_model: 8
vocab_size: 16
blocks:
  a: {mixer: multi_head, n_heads: 2, norm: null}
  f: {mixer: mlp, norm: none}
  b: {parallel: [a, f]}
model: [{embed: tokens}, {stack: {layers: b}}]
"""
    made = blocks.load(text).plan()
    other = blocks.load(again(made)).plan()
    assert [branch.unnormed for branch in other.layers[0].type.branches] == [False, True]


@pytest.mark.parametrize(
    ("stack", "kept"),
    [
        (
            "depth: 7\ninterleave: [mamba2, ffn]\nscatter: {attention: 14%, before: ffn}",
            "scatter: {attention: 14%, before: ffn}",
        ),
        ("depth: 2 * 4\ncycle: [attention, ffn]", "depth: 8\n      cycle: [attention, ffn]"),
        ("pattern: M-M*-", 'pattern: "M-M*-"'),
        ("pattern: ABA\nsymbols: {A: ffn, B: mamba2}", "symbols: {A: ffn, B: mamba2}"),
        ("layers: [2 x [mamba2, 3 x ffn], attention]", "layers: 2 x [mamba2, 3 x [ffn]], attention"),
        ("layers: [[mamba2, ffn]]", "layers: mamba2, ffn\n"),
        ("layers: '[mamba2, [1 x [ffn]]]'", "layers: mamba2, 1 x [ffn]\n"),
        (
            "layers: [" + "mamba2, ffn, 3 x [ffn], " * 9 + "ffn]",
            "layers:\n        - mamba2\n        - ffn\n        - 3 x [ffn]",
        ),
        ("layers: [ffn]\nname: encoder", "name: encoder"),
        ("depth: 4\ncycle: [ffn]\noverride: {'ffn[-1]': {d_ff: 2 * inner}}", '"ffn[-1]": {d_ff: 384}'),
        (
            "depth: 4\ncycle: [ffn]\noverride: {ffn: {norm: none, residual: pre}}",
            "ffn: {norm: none, residual: pre}",
        ),
        (
            "depth: 4\ncycle: [ffn]\noverride: {'layers[0:2]': {mixer: gated_mlp}}",
            '"layers[0:2]": {mixer: gated_mlp, d_ff: 192, ',
        ),
        (
            "depth: 6\ncycle: [attention, ffn]\noverride:\n  'layers[0:4]': {residual: none}\n"
            "  attention: {n_heads: 2}\n  'attention[1]': {mixer: mlp}\n  'ffn[0]': {d_ff: 3}",
            '"layers[0:4]": {residual: none}',
        ),
        (
            "depth: 4\ncycle: [attention]\noverride: {attention: {position: none}}",
            "attention: {position: none}",
        ),
        ("depth: 4\ncycle: [ffn]\noverride: {ffn: {bias: false}}", "residual: pre\n  - norm"),
    ],
)
def test_layouts_and_overrides_keep_their_words(stack: str, kept: str) -> None:
    assert kept in again(plan(stack))


def test_a_sentence_is_written_out() -> None:
    text = "recipe: my-hybrid\nd_model: 512\ndepth: 24\nvocab_size: 32000\n"
    made = blocks.load(text + "model: 8% attention, interleaved Mamba-2 and FFN, pre-norm, RoPE\n").plan()
    assert (
        again(made)
        == """\
recipe: my-hybrid
d_model: 512
vocab_size: 32000

blocks:
  mamba2:    {mixer: mamba2, n_heads: 16, head_dim: 64, d_state: 128, n_groups: 1, d_conv: 4, chunk_size: 64,
              gated_norm: true, norm_before_gate: false, norm_groups: 1, eps: 1e-5, bias: false,
              conv_bias: true}
  ffn:       {mixer: mlp, d_ff: 2048, activation: gelu, bias: false}
  attention: {mixer: multi_head, n_heads: 8, n_kv_heads: 8, head_dim: 64, qkv_bias: false, out_bias: false,
              mask: causal, position: {rope: {theta: 10000.0, interleaved: false, scaling: none}},
              qk_norm: none, qk_norm_over: head}

model:
  - embed: {tokens: {vocab_size: 32000, bias: false}}
  - stack:
      depth: 24
      interleave: [mamba2, ffn]
      scatter: {attention: 8%, before: ffn}
      norm: {rmsnorm: {eps: 1e-5, unit_offset: false}}
      residual: pre
  - norm: {rmsnorm: {eps: 1e-5, unit_offset: false}}
  - head: {lm: {tied: false, bias: false, vocab_size: 32000}}
"""
    )


numbers = st.integers(-(10**18), 10**18) | st.floats(allow_nan=False, allow_infinity=False)


@given(st.none() | st.booleans() | numbers | st.text())
def test_scalars_read_back(value: Any) -> None:
    if isinstance(value, str) and any(0xD800 <= ord(c) <= 0xDFFF for c in value):
        return
    for text in (f"a: {scalar(value)}\n", f"a: {flow([value, {'b': value}])}\n"):
        found = read(text).value
        assert isinstance(found, dict)
        back = found["a"] if "[" not in text[:4] else found["a"][0]  # type: ignore[index]
        assert (back, type(back)) == (value, type(value))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("no", '"no"'),
        ("null", '"null"'),
        ("1e-5", '"1e-5"'),
        ("8%", "8%"),
        ("a: b", '"a: b"'),
        ("-", '"-"'),
        ("", '""'),
        (1e-5, "1e-5"),
        (1e-06, "1e-6"),
        (10000.0, "10000.0"),
        (1e22, "1e22"),
        (True, "true"),
        (None, "null"),
        (3, "3"),
    ],
)
def test_scalars(value: Any, text: str) -> None:
    assert scalar(value) == text
