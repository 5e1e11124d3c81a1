"""Plans: overrides, residuals, sizes, stages, budgets, and everything wrong at once."""

from __future__ import annotations

from typing import Any

import pytest

import blocks
from blocks import Plan, RecipeError
from blocks.diagnostics import Span

HEAD = """\
recipe: r
d_model: 64
vocab_size: 100
blocks:
  mamba2:    {mixer: mamba2, d_state: 16, head_dim: 16}
  attention: {mixer: multi_head, n_heads: 4, n_kv_heads: 2, position: rope}
  ffn:       {mixer: mlp, d_ff: 4 * d_model}
model:
  - embed: tokens
  - stack:
"""
TAIL = "  - norm: rmsnorm\n  - head: lm\n"
ALTERNATING = "depth: 6\ninterleave: [attention, ffn]\n"


def text(stack: str, head: str = HEAD) -> str:
    return head + "".join(f"      {line}\n" for line in stack.splitlines()) + TAIL


def plan(stack: str, head: str = HEAD) -> Plan:
    return blocks.load(text(stack, head)).plan()


def problems(stack: str, head: str = HEAD) -> tuple[Any, ...]:
    with pytest.raises(RecipeError) as caught:
        plan(stack, head)
    return caught.value.diagnostics


def mixers(made: Plan) -> list[Any]:
    return [layer.type.mixer for layer in made.layers]


@pytest.mark.parametrize(
    ("stack", "pattern"),
    [
        ("depth: 7\ninterleave: [mamba2, ffn]\nscatter: {attention: 1, before: ffn}", "M*-M-M-"),
        ("depth: 5\ncycle: [mamba2, mamba2, attention]", "MM*MM"),
        ("pattern: MM*-", "MM*-"),
        ("pattern: AAB\nsymbols: {A: mamba2, B: ffn}", "AAB"),
        ("pattern: ABA\nsymbols: {A: ffn, B: ffn}", "AAA"),
        ("layers: [2 x [mamba2, ffn], attention]", "M-M-*"),
        ("layers: [3 x ffn, [mamba2, 2 x [attention]]]", "---M**"),
        ("layers:\n  - 2 x [mamba2, ffn]\n  - attention", "M-M-*"),
        ("depth: 2 * 3\ninterleave: [attention, ffn]", "*-*-*-"),
    ],
)
def test_layouts(stack: str, pattern: str) -> None:
    made = plan(stack)
    assert made.pattern == pattern
    assert [layer.path for layer in made.layers] == [f"layers.{i}" for i in range(len(pattern))]


def test_layers_that_are_alike_share_their_type() -> None:
    assert len({id(layer.type) for layer in plan("depth: 1000\ninterleave: [mamba2, ffn]").layers}) == 2


def test_overrides_by_selector() -> None:
    made = plan(
        ALTERNATING + "override:\n  'attention[-1]': {n_kv_heads: 1}\n  'layers[0:2]': {residual: post}\n"
        "  ffn: {d_ff: 3 * d_model}\n  'ffn[1]': {norm: layernorm}\n"
    )
    assert [getattr(m, "n_kv_heads", None) for m in mixers(made)] == [2, None, 2, None, 1, None]
    assert [layer.type.residual for layer in made.layers] == ["post", "post", "pre", "pre", "pre", "pre"]
    assert [getattr(m, "d_ff", None) for m in mixers(made)] == [None, 192] * 3
    norms = [layer.type.norm.name for layer in made.layers if layer.type.norm is not None]
    assert norms == ["rmsnorm"] * 3 + ["layernorm"] + ["rmsnorm"] * 2


def test_overrides_of_one_block_come_together_key_by_key() -> None:
    made = plan(ALTERNATING + "override:\n  ffn: {bias: true, d_ff: 8}\n  'ffn[0]': {d_ff: 8, scale: 2}\n")
    assert [(m.d_ff, m.bias) for m in mixers(made) if m.name == "mlp"] == [(8, True)] * 3
    assert [layer.type.scale for layer in made.layers] == [1, 2, 1, 1, 1, 1]


def test_another_mixer_resets_the_fields_but_not_norm_and_residual() -> None:
    made = plan(
        ALTERNATING + "override:\n  'attention[0]': {n_heads: 2, residual: post}\n"
        "  'attention[:2]': {mixer: mamba, d_state: 8}\n  'attention[2]': {mixer: multi_head, n_heads: 8}\n"
    )
    first, last = made.layers[0].type, made.layers[4].type
    assert (first.mixer.name, first.residual) == ("mamba", "post")
    assert mixers(made)[0].d_state == 8
    assert (last.mixer.name, mixers(made)[4].n_heads) == ("multi_head", 8)


def test_the_same_mixer_again_resets_nothing() -> None:
    made = plan(ALTERNATING + "override:\n  ffn: {mixer: mlp, bias: true}\n")
    assert [m.d_ff for m in mixers(made) if m.name == "mlp"] == [256] * 3


@pytest.mark.parametrize("residual", ["pre", "post", "none"])
def test_residuals_of_the_stack_and_of_a_block(residual: str) -> None:
    head = HEAD.replace("d_ff: 4 * d_model}", "d_ff: 8, residual: none, norm: none}")
    made = plan(ALTERNATING + f"residual: {residual}\n", head)
    assert [layer.type.residual for layer in made.layers] == [residual, "none"] * 3
    assert made.layers[1].type.norm is None


def test_expressions_units_and_let() -> None:
    head = HEAD.replace("d_model: 64", "d_model: 2 * w\nlet: {w: 32, ratio: 2.5}").replace("100", "32k")
    head = head.replace("d_ff: 4 * d_model", "d_ff: 'round_up(ratio * d_model, 64)'")
    made = plan("depth: w / 8\ncycle: [ffn]", head)
    assert (made.sizes.d_model, made.sizes.vocab_size, len(made.layers)) == (64, 32_000, 4)
    assert mixers(made)[0].d_ff == 192


def test_the_tokenizer_gives_the_vocabulary() -> None:
    head = HEAD.replace("vocab_size: 100", "tokenizer: byte")
    made = plan(ALTERNATING, head)
    assert made.sizes.vocab_size == 256
    (found,) = problems(ALTERNATING, HEAD.replace("recipe: r", "recipe: r\ntokenizer: byte"))
    assert (found.code, found.span.line) == ("B0310", 4)


def test_stages_of_one_kind_have_paths_of_their_own() -> None:
    more = "  - norm: rmsnorm\n  - stack: {depth: 2, cycle: [ffn]}\n"
    made = blocks.load(text(ALTERNATING).replace(TAIL, more + TAIL)).plan()
    assert [stage.path for stage in made.stages] == ["embed", "layers", "norm", "layers_2", "norm_2", "head"]
    assert made.layers[-1].path == "layers_2.1"


def test_heads_are_named_by_their_path_in_the_last_stream() -> None:
    assert [*plan(ALTERNATING).head_paths] == ["head"]
    assert [*blocks.load("zoo/bert-like").plan().head_paths] == ["heads.words", "heads.next"]
    (stage,) = blocks.load("transformer-tiny").plan().head_paths.items()
    assert (stage[0], stage[1].path) == ("head", "decoder.head")


def test_limits_are_those_of_everything_that_has_an_end() -> None:
    assert plan(ALTERNATING).limits == []
    learned = text(ALTERNATING).replace("  - stack", "  - position: {learned: {max_len: 12}}\n  - stack")
    ((longest, component),) = blocks.load(learned).plan().limits
    assert (longest, component.name) == (12, "learned")


def test_five_mistakes_are_five_findings() -> None:
    head = (
        HEAD.replace("n_kv_heads: 2", "n_kv_heads: 3")
        .replace("rope", "rop")
        .replace("d_ff: 4 * d_model", "d_ff: 4 * d_modle")
    )
    found = problems("depth: 7\ninterleave: [mamba2, ffn]\noverride: {'layer[0]': {d_ff: 1}}", head)
    assert [(d.code, d.span.line) for d in found] == [
        ("B0601", 6),
        ("B0315", 7),
        ("B0401", 11),
    ]
    head = (
        HEAD.replace("mamba2, d", "mamba22, d")
        .replace("n_heads: 4", "n_heads: 5")
        .replace("d_ff: 4", "dff: 4")
    )
    found = problems("depth: 6\ncycle: [atention, ffn]\nnorm: rmsnor\noverride: {'gru[0]': {d_ff: 1}}", head)
    assert [(d.code, d.span.line) for d in found] == [
        ("B0601", 5),
        ("B0307", 6),
        ("B0201", 7),
        ("B0410", 12),
        ("B0601", 13),
        ("B0409", 14),
    ]


def test_the_error_of_the_design() -> None:
    document = """\
recipe: hybrid
d_model: 512
vocab_size: 100
blocks:
  attention: {mixer: multi_head, n_heads: 12}
model:
  - embed: tokens
  - stack: {depth: 2, cycle: [attention]}
"""
    with pytest.raises(RecipeError) as caught:
        blocks.load(document).plan()
    assert (
        str(caught.value)
        == """\
error[B0307]: 12 heads do not divide d_model = 512
  --> <text>:5:43
2 | d_model: 512
  |          --- d_model is set here
5 |   attention: {mixer: multi_head, n_heads: 12}
  |                                           ^^ 512 / 12 = 42.67
  = help: use 8 or 16 heads, or set head_dim"""
    )


@pytest.mark.parametrize(
    ("stack", "code", "line", "help"),
    [
        ("depth: 12", "B0411", 11, "cycle"),
        ("depth: 4\ncycle: [ffn]\npattern: --", "B0411", 13, None),
        ("depth: 4\ncycle: [ffn]\nscatter: {attention: 1}", "B0412", 13, None),
        ("depth: 4\nlayers: [ffn]", "B0413", 11, None),
        ("cycle: [ffn]", "B0414", 11, "depth"),
        ("pattern: MX", "B0405", 11, "M = mamba2"),
        ("depth: 1\ncycle: [ffn]\nsymbols: {AB: ffn}", "B0412", 13, None),
        ("pattern: A\nsymbols: {A: ffn, BB: ffn}", "B0405", 12, None),
        ("pattern: A\nsymbols: {A: fn}", "B0410", 12, "did you mean 'ffn'?"),
        ("layers: [ffn, 2 x [mamba]]", "B0410", 11, "did you mean 'mamba2'?"),
        ("depth: 4 / 3\ncycle: [ffn]", "B0303", 11, "nearest"),
        ("depth: 4.5\ncycle: [ffn]", "B0203", 11, None),
        (ALTERNATING + "override: {ffn: {residual: past}}", "B0205", 13, "did you mean 'post'?"),
        (ALTERNATING + "override: {ffn: {mixer: 3}}", "B0203", 13, None),
        (ALTERNATING + "override: {ffn: {dff: 3}}", "B0201", 13, "did you mean 'd_ff'?"),
        (ALTERNATING + "override: {'ffn[7]': {d_ff: 3}}", "B0409", 13, "ffn[0] to ffn[2]"),
        (ALTERNATING + "norm: {rmsnorm: {}, layernorm: {}}", "B0207", 13, None),
        (ALTERNATING + "residual: prenorm", "B0205", 13, None),
        ("depth: 100001\ncycle: [ffn]", "B0406", 11, None),
    ],
)
def test_wrong_stacks(stack: str, code: str, line: int, help: str | None) -> None:
    found = problems(stack)[0]
    assert (found.code, found.span.line) == (code, line), found
    assert help is None or help in (found.help or "")


def test_a_budget_is_checked_in_closed_form() -> None:
    (found,) = problems("depth: 100k\ncycle: [ffn]", HEAD.replace("d_model: 64", "d_model: 640000"))
    assert found.code == "B0311"
    recipe = blocks.load(text(ALTERNATING))
    with pytest.raises(RecipeError, match="more than the 10 allowed"):
        recipe.plan(max_params=10)


def test_problems_of_a_recipe_made_in_python_are_said_in_words() -> None:
    recipe = blocks.Recipe.model_validate(
        {
            "recipe": "a",
            "d_model": 64,
            "vocab_size": 8,
            "blocks": {"ffn": {"mixer": "mlp", "d_ff": 0}},
            "model": [{"embed": "tokens"}, {"stack": {"depth": 2, "cycle": ["ffn"]}}],
        }
    )
    with pytest.raises(
        RecipeError, match=r"error\[B0302\]: blocks.ffn.d_ff: d_ff is 0, and has to be greater than 0"
    ):
        recipe.plan()


def test_what_is_in_a_slot_is_checked_at_its_own_width() -> None:
    text = """\
recipe: r
d_model: 33
vocab_size: 10
blocks:
  a: {mixer: multi_head, n_heads: 1, head_dim: 32, position: {rope: {rotary_dim: %s}}}
model:
  - embed: tokens
  - stack: {layers: a}
  - head: lm
"""
    blocks.load(text % 32).plan()
    with pytest.raises(blocks.RecipeError) as caught:
        blocks.load(text % 33).plan()
    (found,) = caught.value.diagnostics
    assert (found.code, found.span) == ("B0314", Span(5, 82, 84))
