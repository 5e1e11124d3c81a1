"""Sharing: who owns what, what is shared part by part, and blocks that are not alike."""

from __future__ import annotations

import time

import pytest

import blocks
from blocks import Plan, RecipeError

HEAD = """\
recipe: r
d_model: 8
vocab_size: 16
blocks:
  f: {mixer: mlp, d_ff: 12}
BLOCKS
model:
  - embed: tokens
  - stack: {layers: "LAYERS"}
  - head: lm
"""
G = "g: {mixer: mlp, d_ff: 12, share: s}"


def plan(layers: str, *entries: str) -> Plan:
    lines = "\n".join(f"  {entry}" for entry in entries)
    return blocks.load(HEAD.replace("BLOCKS", lines).replace("LAYERS", layers)).plan()


def shared(layers: str, *entries: str) -> list[tuple[str, str]]:
    return [(share.path, share.owner) for share in plan(layers, *entries).shares]


def test_later_uses_are_the_first_one() -> None:
    assert shared("f, g, f, g, g", G) == [("layers.3", "layers.1"), ("layers.4", "layers.1")]


def test_share_true_is_a_group_of_the_blocks_name() -> None:
    made = plan("g, h, g", "g: {mixer: mlp, d_ff: 12, share: true}", "h: {mixer: mlp, d_ff: 12, share: g}")
    assert [(share.path, share.owner) for share in made.shares] == [
        ("layers.1", "layers.0"),
        ("layers.2", "layers.0"),
    ]
    assert made.layers[0].parameters == made.shares[0].parameters
    assert made.layers[1].parameters == 0


@pytest.mark.parametrize(
    "other",
    [
        "h: {mixer: mlp, d_ff: 12, share: s, scale: 0.5}",
        "h: {mixer: mlp, d_ff: 12, share: s, alpha: 2}",
        "h: {mixer: mlp, d_ff: 12, share: s, residual: post}",
        "h: {mixer: mlp, d_ff: 12, share: s, adapter: {low_rank: {rank: 2}}}",
    ],
)
def test_what_is_used_otherwise_is_shared_part_by_part(other: str) -> None:
    parts = [("layers.1.mixer", "layers.0.mixer"), ("layers.1.norm", "layers.0.norm")]
    assert shared("g, h", G, other) == parts
    assert shared("h, g", G, other) == parts
    same = [("layers.2", "layers.0")] if "adapter" not in other else []
    assert shared("h, g, h", G, other)[2:] == (same or [(p.replace("1", "2"), o) for p, o in parts])


@pytest.mark.parametrize(
    ("entries", "wrong"),
    [
        ((G, "h: {mixer: mlp, d_ff: 16, share: s}"), "d_ff"),
        ((G, "h: {mixer: gru, share: s}"), "their mixers, mlp and gru"),
        ((G, "h: {mixer: mlp, d_ff: 12, share: s, norm: layernorm}"), "norm"),
        ((G, "h: {mixer: mlp, d_ff: 12, share: s, out_norm: rmsnorm}"), "out_norm"),
        ((G, "h: {mixer: mlp, d_ff: 12, share: s, layer_scale: 0.1}"), "layer_scale"),
        ((G, "h: {parallel: [f, f], share: s}"), "what runs in parallel"),
        (
            (
                "e: {mixer: mlp, d_ff: 12}",
                "g: {parallel: [f, e], share: s}",
                "h: {parallel: [e, f], share: s}",
            ),
            "the names of their branches, f and e",
        ),
        (
            (
                "g: {mixer: multi_head, n_heads: 2, share: s}",
                "h: {mixer: multi_head, n_heads: 2, share: s, kv_from: g}",
            ),
            "kv_from",
        ),
    ],
)
def test_blocks_of_a_group_are_alike(entries: tuple[str, ...], wrong: str) -> None:
    with pytest.raises(RecipeError) as caught:
        plan("g, h, h", *entries)
    (found,) = caught.value.diagnostics
    assert found.code == "B0419"
    assert f"layers.1 and layers.0 share the parameters of 's', and differ in {wrong}" in found.message
    assert found.help is not None


def test_another_memory_is_no_part_of_the_group() -> None:
    text = """\
recipe: r
d_model: 8
vocab_size: 16
blocks:
  wide: {mixer: gru, hidden: 12, residual: none}
  c: {mixer: multi_head, n_heads: 2, memory: left, share: s}
  d: {mixer: multi_head, n_heads: 2, memory: right, share: s}
model:
  left: [embed: tokens]
  right: [embed: tokens, stack: {layers: wide}]
  decoder: [embed: tokens, stack: {layers: "c, d"}]
"""
    with pytest.raises(RecipeError, match="differ in memory"):
        blocks.load(text).plan()
    alike = text.replace("hidden: 12", "hidden: 8")
    assert [share.path for share in blocks.load(alike).plan().shares] == [
        "decoder.layers.1.mixer",
        "decoder.layers.1.norm",
    ]


def test_components_share_by_the_name_of_their_group() -> None:
    table = "{relative: {n_buckets: 4, max_distance: 8, share: t}}"
    attention = f"mixer: multi_head, n_heads: 2, position: {table}"
    entries = (f"a: {{{attention}}}", f"b: {{{attention}}}", "p: {parallel: [a, b, a]}")
    made = plan("a, p, b", *entries)
    assert [(share.path, share.parameters) for share in made.shares] == [
        (f"layers.{path}.position", 8) for path in ("1.a", "1.b", "1.a_2", "2.mixer")
    ]
    with pytest.raises(RecipeError, match="their options differ") as caught:
        plan("a, b", entries[0], entries[1].replace("8", "16"))
    assert caught.value.diagnostics[0].code == "B0419"


@pytest.mark.parametrize("cycle", ["[a, b]", "[s, t]", "[q, a]", "[p, a]"])
def test_ten_thousand_blocks_take_four_times_as_long_as_a_quarter(cycle: str) -> None:
    from blocks_compiler.backends.source import generate

    text = f"""\
recipe: r
d_model: 8
vocab_size: 16
blocks:
  a: {{mixer: multi_head, n_heads: 2}}
  b: {{mixer: multi_head, n_heads: 2, kv_from: a}}
  s: {{mixer: mlp, share: true, adapter: {{low_rank: {{rank: 2}}}}}}
  t: {{mixer: mlp, share: true}}
  q: {{mixer: multi_head, n_heads: 2, position: {{relative: {{share: x}}}}}}
  f: {{mixer: mlp}}
  p: {{parallel: [a, f], share: true}}
model:
  - embed: tokens
  - stack: {{depth: DEPTH, cycle: {cycle}}}
"""
    taken = {}
    for depth in (100, 2500, 10_000):
        start = time.process_time()
        generate(blocks.compile_graph(text.replace("DEPTH", str(depth))))
        taken[depth] = time.process_time() - start
    assert taken[10_000] < 10 * taken[2500] + 1


def test_blocks_of_one_group_may_differ_in_what_their_branches_read() -> None:
    entries = (
        "a: {mixer: mlp, d_ff: 12}", "n: {mixer: mlp, d_ff: 12, norm: none}",
        "p: {parallel: [a, f], share: s}", "q: {parallel: [a, f], share: s, scale: 2}",
    )  # fmt: skip
    assert ("layers.1.norm", "layers.0.norm") in shared("p, q", *entries)
    with pytest.raises(RecipeError, match="branches"):
        plan("p, r", *entries, "r: {parallel: [n, f], share: s}")
