"""What differs in meaning: found where it is, and nothing else."""

import pytest

import blocks
from blocks.canonical import canonical
from blocks.published import published
from blocks_compiler.compare import Change, Comparison, Option, compare

HYBRID = """\
recipe: hybrid
d_model: 64
vocab_size: 256
blocks:
  attention: {mixer: multi_head, n_heads: 4, position: rope}
  mamba2: {mixer: mamba2, head_dim: 16, d_state: 16}
  ffn: {mixer: mlp}
model:
  - embed: tokens
  - stack:
      layers: 4 x [mamba2, ffn], attention, ffn, 4 x [mamba2, ffn]
      norm: rmsnorm
  - norm: rmsnorm
  - head: {lm: {tied: false}}
"""


def diff(old: str, new: str, context: int = 1000) -> Comparison:
    first, second = (blocks.compile_graph(blocks.load(text), kernels="reference") for text in (old, new))
    return compare(first, second, context)


def changed(*replacements: tuple[str, str]) -> Comparison:
    text = HYBRID
    for old, new in replacements:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return diff(HYBRID, text)


def told(change: Change) -> tuple[str, int, dict[str, tuple[str | None, str | None]]]:
    return change.kind, change.count, {option.name: (option.old, option.new) for option in change.options}


@pytest.mark.parametrize("name", published())
def test_a_recipe_and_its_canonical_form_are_the_same(name: str) -> None:
    text = published()[name].read_text(encoding="utf-8")
    assert diff(text, canonical(blocks.load(text).plan())).same


@pytest.mark.parametrize(
    "replacements",
    [
        [("recipe: hybrid", "recipe: other\nabout: something else")],
        [("4 x [mamba2, ffn], attention, ffn, 4 x", "4 x [mamba2, ffn], [attention, ffn], 2 x [mamba2, ffn], 2 x")],
        [("{mixer: mlp}", "{mixer: mlp, d_ff: 4 * d_model, activation: gelu, norm: rmsnorm, residual: pre}")],
        [("  - norm: rmsnorm\n", "  - norm: {rmsnorm: {eps: 0.00001}}\n"), ("d_model: 64", "d_model: 8 * 8")],
        [("      norm: rmsnorm", "      name: trunk\n      norm: rmsnorm")],
        [
            ("  attention: {", "  look: {"),
            ("], attention, ffn", "], look, ffn"),
        ],
        [
            ("layers: 4 x [mamba2, ffn], attention, ffn, 4 x [mamba2, ffn]", "pattern: M-M-M-M-*-M-M-M-M-"),
        ],
    ],
)  # fmt: skip
def test_what_is_only_said_differently_is_the_same(replacements: list[tuple[str, str]]) -> None:
    comparison = changed(*replacements)
    assert comparison.same, comparison.changes
    assert comparison.costs[0] == comparison.costs[1]


def test_one_option_of_one_block() -> None:
    comparison = changed(
        ("      norm: rmsnorm", "      norm: rmsnorm\n      override: {attention: {n_kv_heads: 1}}")
    )
    [change] = comparison.changes
    assert told(change) == ("changed", 1, {"n_kv_heads": ("4", "1")})
    assert change.old_paths == change.new_paths == ["layers.8"]
    old, new = comparison.costs
    assert change.parameters == new.parameters - old.parameters == -2 * 64 * 48
    assert not comparison.same


def test_one_option_of_a_kind_of_block_is_told_once() -> None:
    [change] = changed(("d_state: 16", "d_state: 32")).changes
    assert told(change) == ("changed", 8, {"d_state": ("16", "32")})


def test_a_block_put_in_is_no_change_of_those_behind_it() -> None:
    comparison = changed(("attention, ffn, 4 x", "attention, ffn, attention, 4 x"))
    [change] = comparison.changes
    assert told(change) == ("added", 1, {})
    assert change.new_paths == ["layers.10"]
    assert comparison.sizes == (Option("blocks", "18", "19"),)
    assert comparison.layouts[1][10] == "+attention"
    [change] = diff(HYBRID.replace("attention, ffn, 4 x", "attention, ffn, attention, 4 x"), HYBRID).changes
    assert told(change) == ("removed", 1, {})


def test_a_block_that_moved() -> None:
    comparison = changed(("], attention, ffn, 4 x [mamba2, ffn]", "], ffn, 4 x [mamba2, ffn], attention"))
    [change] = comparison.changes
    assert told(change) == ("moved", 1, {})
    assert (change.old_paths, change.new_paths) == (["layers.8"], ["layers.17"])
    assert change.parameters == 0


def test_blocks_that_took_each_others_places() -> None:
    comparison = changed(("4 x [mamba2, ffn], attention, ffn, 4 x", "2 x [mamba2, ffn], attention, ffn, 6 x"))
    first, second = sorted(comparison.changes, key=lambda change: change.item.name)
    assert (first.kind, first.old_paths, first.new_paths) == ("moved", ["layers.8"], ["layers.4"])
    assert (second.kind, second.old_paths, second.new_paths) == ("moved", ["layers.4"], ["layers.8"])


def test_a_block_in_the_place_of_another() -> None:
    [change] = changed(("], attention, ffn, 4", "], mamba2, ffn, 4")).changes
    kind, count, options = told(change)
    assert (kind, count) == ("changed", 1)
    assert options["mixer"] == ("multi_head", "mamba2")
    assert options["n_kv_heads"] == ("4", None)
    assert options["d_conv"] == (None, "4")


def test_stages_sizes_and_ties() -> None:
    comparison = changed(
        ("vocab_size: 256", "vocab_size: 512"),
        ("tied: false", "tied: true"),
        ("embed: tokens", "embed: tokens\n  - position: learned"),
    )  # fmt: skip
    assert comparison.sizes == (Option("vocab_size", "256", "512"),)
    assert [(c.kind, c.item.role) for c in comparison.changes] == [("changed", "head"), ("added", "position")]
    assert comparison.ties == (Option("head.weight", None, "embed.weight"),)


def test_what_stands_around_a_mixer() -> None:
    comparison = changed(
        ("{mixer: mlp}", "{mixer: mlp, residual: sandwich, scale: 0.5, layer_scale: 0.1, alpha: 2}")
    )
    [change] = comparison.changes
    assert told(change)[2] == {
        "residual": ("pre", "sandwich"),
        "out_norm": ("none", "rmsnorm"),
        "out_norm.eps": (None, "1e-5"),
        "out_norm.unit_offset": (None, "false"),
        "scale": ("1", "0.5"),
        "layer_scale": ("none", "0.1"),
        "alpha": ("1", "2"),
    }


def test_branches_side_by_side() -> None:
    both = HYBRID.replace("  ffn:", "  both: {parallel: [attention, mamba2], join: mean}\n  ffn:").replace(
        "], attention, ffn, 4", "], both, ffn, 4"
    )
    [change] = diff(HYBRID, both).changes
    assert change.item.mixers == ("multi_head", "mamba2")
    [change] = diff(
        both, both.replace("join: mean", "join: sum").replace("d_state: 16", "d_state: 8")
    ).changes[1:2]
    assert told(change)[2] == {"join": ("mean", "sum"), "mamba2.d_state": ("16", "8")}
    assert diff(both, both.replace("both", "pair")).same


def test_shared_parameters_are_compared_by_where_they_are_not_by_name() -> None:
    shared = HYBRID.replace("{mixer: mlp}", "{mixer: mlp, share: feed}")
    assert diff(shared, shared.replace("share: feed", "share: forward")).same
    [change] = diff(HYBRID, shared).changes
    assert told(change)[0] == "changed"
    assert told(change)[2] == {"shares": (None, "layers.1")}
    assert change.count == 8
    more = shared.replace("layers: 4 x", "layers: mamba2, 4 x")
    assert [told(change)[0] for change in diff(shared, more).changes] == ["added"]


def test_streams_are_compared_one_by_one() -> None:
    def recipe(first: str, second: str) -> str:
        stages = "[{{embed: tokens}}, {{stack: {{depth: {}, cycle: [ffn]}}}}{}]"
        return (
            "recipe: two\nd_model: 64\nvocab_size: 256\n"
            "blocks: {ffn: {mixer: mlp}, look: {mixer: multi_head, n_heads: 4, memory: encoder}}\n"
            f"model:\n  encoder: {stages.format(first, '')}\n"
            f"  decoder: {stages.format(second, ', {stack: {name: top, layers: look}}, {head: lm}')}\n"
        )

    base = recipe("2", "2")
    assert diff(base, base).same
    [change] = diff(base, recipe("3", "2")).changes
    assert (change.kind, change.new_paths) == ("added", ["encoder.layers.2"])
    [change] = diff(base, recipe("2", "3")).changes
    assert (change.kind, change.new_paths) == ("added", ["decoder.layers.2"])


def test_published_architectures() -> None:
    def graph(name: str) -> blocks.BlockGraph:
        return blocks.compile_graph(name, kernels="reference")

    comparison = compare(graph("llama-3.1-8b"), graph("mistral-7b"), 4096)
    [change] = comparison.changes
    assert (change.kind, change.count) == ("changed", 32)
    options = {option.name: (option.old, option.new) for option in change.options}
    assert options["mixer"] == ("grouped_query", "sliding_window")
    assert options["position.theta"] == ("500000", "10000")
    comparison = compare(graph("nemotron-h-8b"), graph("nemotron-h-56b"), 4096)
    kinds = [(change.kind, change.count, change.item.name) for change in comparison.changes]
    assert kinds == [
        ("changed", 24, "mamba2"), ("changed", 24, "ffn"), ("changed", 4, "attention"),
        ("added", 6, "attention"), ("added", 30, "mamba2"), ("added", 30, "ffn"),
    ]  # fmt: skip


def test_json_is_a_contract() -> None:
    found = changed(("d_state: 16", "d_state: 32")).as_json()
    assert set(found) == {"same", "old", "new", "context", "sizes", "changes", "ties", "training", "costs"}
    [change] = found["changes"]
    assert set(change) == {"kind", "count", "old", "new", "options", "parameters"}
    assert change["options"] == [{"name": "d_state", "old": "16", "new": "32"}]
    assert change["new"]["paths"][0] == "layers.0"
    assert change["new"]["options"]["head_dim"] == "16"
    assert set(found["costs"]["old"]) == {"parameters", "flops_per_token", "state_bytes"}
