"""Kinds of block: widths that meet, overrides that change what runs, and where each key is found."""

from __future__ import annotations

import pytest

import blocks
from blocks import Plan, RecipeError

HEAD = """\
recipe: r
d_model: 8
vocab_size: 16
blocks:
  f: {mixer: mlp, d_ff: 12}
  a: {mixer: multi_head, n_heads: 2}
  wide: {mixer: gru, hidden: 12, residual: none}
  side: {mixer: gru, hidden: 12}
ENTRIES
model:
  - embed: EMBED
  - stack: {STACK}
"""


def plan(stack: str, *entries: str, embed: str = "tokens") -> Plan:
    lines = "\n".join(f"  {entry}" for entry in entries)
    text = HEAD.replace("ENTRIES", lines).replace("STACK", stack).replace("EMBED", embed)
    return blocks.load(text).plan()


def test_a_block_without_a_residual_may_change_the_width() -> None:
    made = plan('layers: "a, wide, a, f"')
    assert [(layer.type.width, layer.type.out_width) for layer in made.layers] == [
        (8, 8),
        (8, 12),
        (12, 12),
        (12, 12),
    ]
    assert made.stages[-1].out_width == 12
    model = blocks.build(made.recipe, device="meta")
    assert sum(parameter.numel() for parameter in model.parameters()) == made.parameters


def test_an_embedding_may_have_a_width_of_its_own() -> None:
    made = plan("layers: a", embed="{tokens: {width: 6}}")
    assert [(stage.width, stage.out_width) for stage in made.stages] == [(8, 6), (6, 6)]


@pytest.mark.parametrize(
    ("stack", "entries", "message"),
    [
        ("layers: side", (), "side gives 12 channels, and the stream that it is added to has 8"),
        (
            "layers: p",
            ("p: {parallel: [f, side]}",),
            "f gives 8 channels and side 12: their sum cannot be taken",
        ),
        ("layers: p", ("p: {parallel: [side, side]}",), "p gives 12 channels, and the stream"),
    ],
)
def test_widths_that_do_not_meet(stack: str, entries: tuple[str, ...], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        plan(stack, *entries)
    found = next(each for each in caught.value.diagnostics if each.code == "B0317")
    assert message in found.message
    assert found.help


@pytest.mark.parametrize("join", ["sum", "mean"])
def test_branches_of_one_width_may_change_it_without_a_residual(join: str) -> None:
    made = plan("layers: p", f"p: {{parallel: [side, side], join: {join}, residual: none}}")
    assert made.layers[0].type.out_width == 12


def test_a_concat_gives_the_width_of_the_stream() -> None:
    made = plan("layers: p", "p: {parallel: [f, side], join: concat}")
    assert (made.layers[0].type.joined_width, made.layers[0].type.out_width) == (20, 8)


@pytest.mark.parametrize(
    "override",
    [
        "{a: {parallel: [f, f]}}",
        "{a: {n_heads: 4}, 'a[0]': {parallel: [f, f]}}",
        "{a: {mixer: mlp}, layers: {parallel: [f, f]}}",
    ],
)
def test_running_several_resets_the_options_of_the_one(override: str) -> None:
    made = plan(f"layers: a, override: {override}")
    assert made.layers[0].type.mixer_name == "mlp+mlp"
    assert made.layers[0].type.name == made.layers[0].base.name == "a"


def test_one_mixer_takes_the_place_of_several() -> None:
    made = plan("layers: p, override: {p: {mixer: mlp, d_ff: 20}}", "p: {parallel: [f, a], join: mean}")
    assert (made.layers[0].type.join, made.layers[0].type.mixer_name) == ("", "mlp")


def test_an_override_that_changes_nothing_is_the_block_itself() -> None:
    made = plan("layers: [a, a, a], override: {'a[1]': {n_heads: 2}, 'a[2]': {n_heads: 4}}")
    first, second, third = made.layers
    assert first.type is second.type is third.base
    assert third.type is not third.base


def test_a_factor_of_the_sum_belongs_to_blocks_that_have_one() -> None:
    assert plan("layers: [a, wide], alpha: deepnorm").layers[1].type.residual == "none"
    for stack, entry in (
        ("layers: g", "g: {mixer: mlp, residual: none, alpha: 2}"),
        ("layers: a, residual: none, alpha: 2", "g: {mixer: mlp}"),
    ):
        with pytest.raises(RecipeError, match="there is no sum"):
            plan(stack, entry)


def test_a_branch_that_says_none_reads_the_stream_as_it_is() -> None:
    bare = "bare: {mixer: mlp, d_ff: 12, norm: none}"
    kind = plan("layers: p", bare, "p: {parallel: [a, bare]}").layers[0].type
    assert [branch.unnormed for branch in kind.branches] == [False, True]
    assert kind.norm is not None
    assert dict(kind.parts())["norm"] == 8
    kind = plan("layers: p", bare, "p: {parallel: [bare, bare]}").layers[0].type
    assert kind.norm is None
    assert "norm" not in dict(kind.parts())


def test_a_contradiction_of_the_stack_is_said_once() -> None:
    with pytest.raises(RecipeError) as caught:
        plan("layers: [a, f], residual: none, alpha: 2")
    (found,) = caught.value.diagnostics
    assert (
        found.message == "alpha is a factor of the stream in the sum, and with residual: none there is no sum"
    )
    assert len(found.notes) == 1


def test_what_every_block_says_otherwise_contradicts_nothing() -> None:
    made = plan("layers: g, residual: none, alpha: 2", "g: {mixer: mlp, residual: pre}")
    assert made.layers[0].type.alpha == 2


def test_an_override_and_an_entry_that_contradict_are_both_shown() -> None:
    with pytest.raises(RecipeError) as caught:
        plan("layers: g, override: {g: {alpha: 2}}", "g: {mixer: mlp, residual: none}")
    (found,) = caught.value.diagnostics
    assert (found.code, len(found.notes)) == ("B0210", 1)


def test_an_entry_that_no_stack_uses_contradicts_none() -> None:
    assert plan("layers: a", "g: {mixer: mlp, alpha: 2}").vocabulary["g"].alpha == 2


@pytest.mark.parametrize(
    ("stack", "entry", "code"),
    [
        ("layers: g", "g: {mixer: mlp, residual: post, norm: none}", "B0210"),
        ("layers: g, override: {g: {norm: none}}", "g: {mixer: mlp, residual: post}", "B0210"),
        ("layers: [g, g], residual: post", "g: {mixer: mlp, norm: none}", ""),
        ("layers: [a, f], scale: 0", "g: {mixer: mlp}", "B0302"),
        ("layers: g", "g: {mixer: mlp, scale: 1 - 1}", "B0302"),
        ("layers: p", "g: {mixer: mlp, scale: 0}\n  p: {parallel: [g, a]}", "B0302"),
        ("layers: g", "g: {mixer: mlp, layer_scale: -1}", "B0302"),
        ("layers: g", "g: {mixer: mlp, layer_scale: 0, scale: -1}", ""),
        ("layers: [a, f], alpha: -1", "g: {mixer: mlp}", "B0302"),
        ("layers: g", "g: {mixer: mlp, alpha: 0}", "B0302"),
    ],
)
def test_factors_and_norms_that_make_no_sense(stack: str, entry: str, code: str) -> None:
    if not code:
        plan(stack, entry)
        return
    with pytest.raises(RecipeError) as caught:
        plan(stack, entry)
    assert [each.code for each in caught.value.diagnostics] == [code]
    assert all(each.help for each in caught.value.diagnostics)


@pytest.mark.parametrize("position", ["rope", "alibi", "relative"])
def test_a_position_inside_of_a_mixer_is_no_stage(position: str) -> None:
    text = (
        HEAD.replace("ENTRIES\n", "")
        .replace("STACK", "layers: a")
        .replace("EMBED", f"tokens\n  - position: {position}")
    )
    with pytest.raises(RecipeError) as caught:
        blocks.load(text).plan()
    (found,) = caught.value.diagnostics
    assert (found.code, found.help) == ("B0313", f"position: {position} in a block of attention")
