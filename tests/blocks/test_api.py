"""The Python API: load, Recipe, compile_graph; what is public is what is documented."""

from pathlib import Path

import pytest

import blocks
from blocks import RecipeError

TEXT = """\
recipe: small
d_model: 32
vocab_size: 100
depth: 2
model: multi-head attention and FFN, pre-norm, RoPE
"""


def test_text_and_path_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(TEXT)
    assert blocks.load(TEXT) == blocks.load(path) == blocks.load(str(path))


def test_a_recipe_in_python_compiles_to_the_same_graph() -> None:
    recipe = blocks.Recipe(
        recipe="small",
        d_model=32,
        vocab_size=100,
        depth=2,
        model="multi-head attention and FFN, pre-norm, RoPE",
    )
    ours = [(node.path, node.component) for node in blocks.compile_graph(recipe).walk()]
    assert ours == [(node.path, node.component) for node in blocks.compile_graph(blocks.load(TEXT)).walk()]


def test_errors_of_a_python_recipe_name_the_place() -> None:
    recipe = blocks.Recipe(
        recipe="small",
        d_model=32,
        vocab_size=100,
        blocks={"a": {"mixer": "multi_head", "n_heads": 3}},  # type: ignore[dict-item]
        model=[{"embed": "tokens"}, {"stack": {"layers": "a"}}, {"head": "lm"}],  # type: ignore[list-item]
    )
    with pytest.raises(blocks.RecipeError) as caught:
        recipe.plan()
    assert str(caught.value).startswith("error[B0307]: blocks.a.n_heads: 3 heads do not divide d_model = 32")


def test_a_published_architecture_by_name() -> None:
    assert blocks.load("gpt2").recipe == "gpt2"
    assert blocks.report("gpt2").total.parameters == 124_439_808
    with pytest.raises(blocks.RecipeError, match="did you mean 'gpt2'"):
        blocks.load("gtp2")


@pytest.mark.parametrize("text", ["- a\n- b\n", '"a: b"', "3: x"])
def test_a_text_that_is_no_recipe(text: str) -> None:
    with pytest.raises(blocks.RecipeError):
        blocks.load(text)


def test_unknown_keys_do_not_hide_other_mistakes() -> None:
    text = TEXT.replace("depth: 2", "depth: 2\ndeth: 3").replace("FFN", "FFFN")
    with pytest.raises(blocks.RecipeError) as caught:
        blocks.load(text)
    assert [found.code for found in caught.value.diagnostics] == ["B0201", "B0501"]


def test_what_a_recipe_costs() -> None:
    found = blocks.report(blocks.load(TEXT), context=100, batch=2, dtype="float32")
    assert found.total.parameters == 2 * 100 * 32 + 3 * 32 + 4 * 32 * 32 + 8 * 32 * 32
    assert found.total.state_bytes == 2 * 100 * (2 * 32) * 4
    assert found.as_json()["parameters"] == found.total.parameters
    assert "<table" in found._repr_html_()


def test_a_notebook_shows_recipes_plans_and_graphs() -> None:
    recipe = blocks.load(TEXT)
    assert recipe._repr_html_() == recipe.plan()._repr_html_()
    svg = blocks.compile_graph(recipe)._repr_svg_()
    assert svg is not None
    assert "<svg" in svg
    wrong = TEXT.replace("32", "33").replace("attention", "attention with 2 heads")
    assert "B0307" in blocks.load(wrong)._repr_html_()


def test_every_public_name_can_be_had() -> None:
    for name in blocks.__all__:
        assert getattr(blocks, name) is not None
    assert dir(blocks) == sorted(blocks.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        blocks.nothing  # noqa: B018


@pytest.mark.parametrize(
    "name", ["", ".", "/", "\0", "a" * 5000, "? " * 1000, "-rf", "\ud800", "a\u202eb", "~", "C:"]
)
def test_any_name_is_found_or_refused(name: str) -> None:
    with pytest.raises(RecipeError) as caught:
        blocks.load(name)
    (found,) = caught.value.diagnostics
    assert found.code in ("B0801", "B0802")
    assert len(str(caught.value)) < 1000
    assert str(caught.value).replace("\n", "").isprintable()
