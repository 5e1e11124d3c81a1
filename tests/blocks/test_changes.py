"""Settings, as `--set` and `load(set=...)` make them: paths, values, and errors that point at the setting."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

import blocks
from blocks import BlocksError, RecipeError

TEXT = """\
recipe: mine
d_model: 64
vocab_size: 100
blocks:
  attention: {mixer: multi_head, n_heads: 4, position: rope}
  ffn: {mixer: mlp, d_ff: 128}
  wide.ffn: {mixer: mlp, d_ff: 512}
model:
  - embed: tokens
  - stack: {depth: 4, cycle: [attention, ffn], norm: {layernorm: {eps: 1e-6}}}
  - norm: rmsnorm
  - head: lm
"""


def plan(*settings, text=TEXT):
    return blocks.load(text, set=settings, origin="--set").plan()


def refused(*settings, text=TEXT):
    with pytest.raises(RecipeError) as caught:
        plan(*settings, text=text)
    return caught.value


def test_sizes_blocks_and_stacks_are_set():
    made = plan("d_model=128", "blocks.attention.n_heads=8", "model.1.stack.depth=6")
    assert (made.sizes.d_model, made.layers[0].type.mixer.n_heads, len(made.layers)) == (128, 8, 6)


def test_from_python():
    recipe = blocks.load(TEXT, set={"d_model": "2 * 64", "blocks.ffn": {"d_ff": 99}, "stack.cycle": ["ffn"]})
    made = recipe.plan()
    assert (made.sizes.d_model, made.layers[0].type.mixer.d_ff) == (128, 99)


def test_the_last_of_two_wins_and_both_are_read():
    assert plan("d_model=128", "d_model=256").sizes.d_model == 256
    assert len(refused("d_model=[", "d_model=}").diagnostics) == 2


@pytest.mark.parametrize(
    "path",
    ["stack.depth", "model.stack.depth", "model.1.stack.depth", "model.-3.stack.depth", " stack . depth "],
)
def test_spellings_of_a_path(path):
    assert len(plan(f"{path}=2").layers) == 2


@pytest.mark.parametrize(
    "path",
    [
        "encoder.stack.depth",
        "model.encoder.stack.depth",
        "encoder.2.stack.depth",
        "model.encoder.2.stack.depth",
    ],
)
def test_a_stack_of_one_stream(path):
    recipe = blocks.load("transformer-tiny", set=[f"{path}=8"], origin="--set")
    encoder, decoder = recipe.plan().streams
    assert [len(stage.layers) for stage in (encoder.stages[-1], decoder.stages[2])] == [8, 6]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (["stack.depth=8"], "say which: model.encoder.2.stack, model.decoder.2.stack"),
        (["model.stack.depth=8"], "say which: model.encoder.2.stack, model.decoder.2.stack"),
        (["encodr.stack.depth=8"], "did you mean encoder?"),
        (["encoder.head.lm=8"], "the model has no 'head'"),
        (["encoder.9.stack=8"], "the items count from 0 to 2"),
        (["blocks.zzzzz.mixer=mlp", "blocks.zzzzzz.d_ff=8"], "unknown"),
    ],
)
def test_streams_that_a_path_does_not_find(settings, says):
    with pytest.raises(RecipeError) as caught:
        blocks.load("transformer-tiny", set=settings, origin="--set").plan()
    assert says in str(caught.value) or says == "unknown"
    assert "did you mean zzzzz" not in str(caught.value)


def test_a_stage_that_there_is_once_needs_no_number():
    assert plan("head={lm: {tied: true}}").stages[-1].component.tied
    assert plan("head.lm.tied=true").stages[-1].component.tied
    assert plan("norm=layernorm").stages[2].component.name == "layernorm"


def test_values_are_yaml():
    assert plan("stack.cycle=[ffn, ffn, attention]", "stack.depth=3").pattern == "--*"
    assert plan("blocks.ffn.d_ff=4 * d_model").layers[1].type.mixer.d_ff == 256
    assert plan("about=a = b: c".replace(": ", ":")).about == "a = b:c"
    assert plan("stack.layers=[2 x [ffn]]", "stack.cycle=null", "stack.depth=null").pattern == "--"


def test_an_item_of_a_list_is_set():
    assert plan("stack.cycle.0=ffn").pattern == "----"


def test_null_leaves_the_default():
    assert plan("blocks.ffn.d_ff=null").layers[1].type.mixer.d_ff == 256


def test_another_mixer_resets_the_options():
    assert plan("blocks.attention.mixer=mlp").layers[0].type.mixer.d_ff == 256


def test_another_choice_replaces_the_first_wherever_it_is():
    assert plan("stack.norm.rmsnorm.eps=1e-3").layers[0].type.norm.eps == 1e-3
    assert plan("stack.norm.layernorm.bias=false").layers[0].type.norm.eps == 1e-6
    assert plan("blocks.attention.position.rope.theta=5").layers[0].type.mixer.position.theta == 5


def test_a_key_with_a_dot_is_found():
    assert plan("blocks.wide.ffn.d_ff=7", "stack.cycle=[wide.ffn]").layers[0].type.mixer.d_ff == 7


def test_keys_are_made_where_there_are_none():
    assert plan("let.a=3", "d_model=a * 4 * 4").sizes.d_model == 48
    assert plan("blocks.extra={mixer: mlp}", "stack.cycle=[extra]").layers[0].type.name == "extra"


def test_what_is_extended_can_be_set():
    made = plan("d_model=96", text="extends: gpt2-tiny\nrecipe: x\nblocks: {attention: {n_heads: 2}}\n")
    assert (made.sizes.d_model, made.layers[0].type.mixer.n_heads) == (96, 2)


def test_an_error_points_at_the_setting():
    error = refused("stack.depth=4", "blocks.attention.n_heads=7")
    assert str(error).splitlines() == [
        "error[B0307]: 7 heads do not divide d_model = 64",
        "  --> --set 2:1:26",
        "1 | blocks.attention.n_heads=7",
        "  |                          ^ 64 / 7 = 9.14",
        "  ::: <text>:2:10",
        "2 | d_model: 64",
        "  |          -- d_model is set here",
        "  = help: use 4 or 8 heads, or set head_dim",
    ]


@pytest.mark.parametrize(
    ("setting", "code", "columns", "help"),
    [
        ("d_model=abc", "B0315", (9, 12), "known names are d_model, vocab_size"),
        ("d_model=a b", "B0301", (11, 12), "write it as in `4 * d_model`"),
        ("d_modle=1", "B0201", (1, 8), "did you mean 'd_model'?"),
        ("stack.deth=1", "B0201", (7, 11), "did you mean 'depth'?"),
        ("d_model=[1", "B0112", (9, 10), "add `]`"),
        ("d_model=.nan", "B0110", (9, 13), "write a number"),
        ("d_model=*a", "B0105", (9, 11), "repeat the value, or name it under `blocks:`"),
        ("let={a: 1, a: 2}", "B0106", (12, 13), "keep one of them"),
        ("d_model", "B0117", (1, 8), "--set d_model=512"),
        ("d_model=", "B0117", (1, 8), "null removes a key"),
        ("=3", "B0117", (1, 2), None),
        ("a..b=3", "B0117", (3, 4), None),
        (".a=3", "B0117", (1, 2), None),
        ("a.=3", "B0117", (3, 4), None),
        ("d_model=1\nvocab_size: 3", "B0117", (1, 2), "write lists as [a, b] and mappings as {a: 1}"),
        ("blocks.atention.n_heads=2", "B0118", (8, 16), "did you mean attention?"),
        ("block.attention.n_heads=2", "B0118", (1, 6), "did you mean blocks?"),
        ("model.4.head=lm", "B0118", (7, 8), "the items count from 0 to 3"),
        ("model.-5.head=lm", "B0118", (7, 9), "the items count from 0 to 3"),
        ("model.x.head=lm", "B0118", (7, 8), "a number from 0 to 3"),
        ("zzz.depth=3", "B0118", (1, 4), "begin with blocks, model, a stage or a stream"),
        ("stak.depth=3", "B0118", (1, 5), "did you mean stack?"),
        ("position.x=3", "B0118", (1, 9), None),
        ("extends=gpt2", "B0118", (1, 8), "write it into a recipe of its own"),
        ("d_model=64\x00", "B0104", (11, 12), "delete it, or write it as an escape in double quotes"),
    ],
)
def test_what_is_wrong_with_a_setting(setting, code, columns, help):
    (found,) = refused(setting).diagnostics
    assert (found.code, found.file, found.span.line, found.help) == (code, "--set 1", 1, help)
    assert (found.span.column, found.span.end_column) == columns


def test_two_stacks_have_numbers():
    text = TEXT.replace("  - norm", "  - stack: {name: more, layers: ffn}\n  - norm")
    (found,) = refused("stack.depth=3", text=text).diagnostics
    assert (found.code, found.message) == ("B0118", "the model has 2 of 'stack'")
    assert found.help == "say which: model.1.stack, model.2.stack"
    assert len(plan("model.1.stack.depth=2", text=text).layers) == 3


def test_a_sentence_has_no_stages():
    text = "recipe: x\nd_model: 64\nvocab_size: 10\ndepth: 2\nmodel: attention and FFN\n"
    assert len(plan("depth=4", text=text).layers) == 4
    (found,) = refused("stack.depth=3", text=text).diagnostics
    assert found.message == "the model is a sentence, which has no 'stack'"


@pytest.mark.parametrize("value", [object(), float("nan"), {1, 2}, b"x"])
def test_what_no_recipe_can_hold(value):
    with pytest.raises(RecipeError) as caught:
        blocks.load(TEXT, set={"d_model": value})
    assert caught.value.diagnostics[0].code == "B0117"


def test_a_path_has_an_end():
    (found,) = refused("a." * 1000 + "b=1").diagnostics
    assert (found.code, found.message) == ("B0117", "a path has at most 64 parts")


WORDS = st.sampled_from(
    [
        "d_model",
        "blocks",
        "model",
        "stack",
        "attention",
        "0",
        "1",
        "-1",
        "x",
        "norm",
        "head",
        "lm",
        "extends",
        "",
    ]
)
VALUES = st.sampled_from(
    ["1", "null", "[]", "{}", "{a: 1}", "lm", "0", "-1", "1.5", "[[", "'", "true", "&a", "x y"]
) | st.text(max_size=8)


@given(st.lists(WORDS, min_size=1, max_size=5), VALUES)
def test_any_setting_is_made_or_refused(words, value):
    with suppress(BlocksError):
        plan(".".join(words) + "=" + value)


def test_what_a_setting_removed_is_shown_there():
    (found,) = refused("blocks.attention=null").diagnostics
    assert [(note.text, note.span.file) for note in found.notes] == [("attention is removed here", "--set 1")]
    (found,) = refused("blocks.ffn.zzz=null", "blocks.ffn.zzz=3").diagnostics
    assert found.notes == ()
