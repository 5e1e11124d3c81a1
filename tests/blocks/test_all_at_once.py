"""One reading shows every mistake, also beside those that make a recipe no recipe."""

import pytest

import blocks

TEXT = """\
recipe: RECIPE
d_model: WIDTH
vocab_size: 100
blocks:
  ffn: {mixer: mpl}
model:
  - embed: token
  - stack: {depth: 4, cycle: [fn], norm: rmsnrom, residual: RESIDUAL}
  - head: lm
"""
FURTHER = [("B0601", 5, 16), ("B0601", 7, 12), ("B0410", 8, 31), ("B0601", 8, 42)]


@pytest.mark.parametrize(
    ("wrong", "code", "line"),
    [
        ({"RESIDUAL": "prey"}, "B0205", 8),
        ({"RECIPE": "bad name"}, "B0206", 1),
        ({"WIDTH": "-3"}, "B0302", 2),
        ({"WIDTH": "3.5"}, "B0203", 2),
    ],
)
def test_a_wrong_choice_name_or_size_hides_nothing(wrong: dict[str, str], code: str, line: int) -> None:
    text = TEXT
    for key, value in ({"RECIPE": "r", "WIDTH": "64", "RESIDUAL": "pre"} | wrong).items():
        text = text.replace(key, value)
    with pytest.raises(blocks.RecipeError) as caught:
        blocks.load(text)
    found = [(d.code, d.span.line, d.span.column) for d in caught.value.diagnostics if d.span is not None]
    assert set(FURTHER) <= set(found)
    (other,) = [place[:2] for place in found if place not in FURTHER]
    assert other == (code, line)


def test_a_size_that_cannot_be_worked_out_hides_nothing() -> None:
    text = TEXT.replace("WIDTH", "2 * wdth").replace("RECIPE", "r").replace("RESIDUAL", "pre")
    with pytest.raises(blocks.RecipeError) as caught:
        blocks.load(text).plan()
    found = [(d.code, d.span.line, d.span.column) for d in caught.value.diagnostics if d.span is not None]
    assert found == [("B0315", 2, 14), *FURTHER]


@pytest.mark.parametrize(("key", "code"), [("steps: -3", "B0302"), ("stepz: 3", "B0201")])
def test_a_wrong_key_of_training_hides_no_other(key: str, code: str) -> None:
    text = (
        "recipe: r\nd_model: 64\nvocab_size: 9\nmodel: [{embed: tokens}, {head: lm}]\n"
        f"train: {{{key}, schedule: cosin, batch: 5, accumulate: 2, optimizer: {{adamw: {{lrr: 1}}}}}}\n"
    )
    with pytest.raises(blocks.RecipeError) as caught:
        blocks.load(text)
    assert [d.code for d in caught.value.diagnostics] == [code, "B0601", "B1302", "B0201"]


def test_what_is_borrowed_and_shared_is_looked_at_beside_other_mistakes() -> None:
    text = (
        "recipe: r\nd_model: 64\nvocab_size: 9\nblocks:\n"
        "  a: {mixer: multi_head, n_heads: 8, kv_from: b}\n"
        "  c: {mixer: mlp, d_ff: 32, share: g}\n  d: {mixer: mlp, d_ff: 64, share: g}\n  e: {mixer: mpl}\n"
        "model: [{embed: tokens}, {stack: {layers: [a, c, d, e]}}]\n"
    )
    with pytest.raises(blocks.RecipeError) as caught:
        blocks.load(text).plan()
    assert [d.code for d in caught.value.diagnostics] == ["B0417", "B0419", "B0601"]


def test_guessed_sizes_accuse_nobody() -> None:
    text = "recipe: r\nd_model: -1\nvocab_size: 9\nblocks: {a: {mixer: multi_head, n_heads: 7}}\n"
    text += "model: [{embed: tokens}, {stack: {depth: 3, interleave: [a, a]}}]\n"
    with pytest.raises(blocks.RecipeError) as caught:
        blocks.load(text)
    assert [d.code for d in caught.value.diagnostics] == ["B0302"]
