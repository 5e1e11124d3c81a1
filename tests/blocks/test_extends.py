"""`extends`: what is merged and how, where errors point, and which files are never read."""

import os
from pathlib import Path

import pytest

import blocks
from blocks import RecipeError
from blocks.canonical import canonical
from blocks.diagnostics import Span
from blocks.extends import MAX_CHAIN
from blocks.reader import MAX_BYTES

BASE = """\
recipe: base
about: what the base is
d_model: 64
vocab_size: 100
let: {heads: 4, ratio: 3}
blocks:
  attention: {mixer: multi_head, n_heads: heads, norm: {layernorm: {eps: 1e-6}}, position: {rope: {theta: 500}}}
  ffn: {mixer: mlp, d_ff: ratio * d_model}
model:
  - embed: tokens
  - stack: {depth: 4, cycle: [attention, ffn]}
  - norm: rmsnorm
  - head: lm
"""


@pytest.fixture
def written(tmp_path: Path):
    """Write files into a folder and return the path of the first."""

    def write(**files: str) -> Path:
        for name, text in files.items():
            path = tmp_path / (name.replace("__", "/") + ".yaml")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path / (next(iter(files)) + ".yaml")

    return write


@pytest.fixture
def only(written):
    """The only finding about files, and how it is drawn."""

    def find(**files: str):
        with pytest.raises(RecipeError) as caught:
            blocks.load(written(**files)).plan()
        (found,) = caught.value.diagnostics
        return found, str(caught.value)

    return find


def child(text: str) -> str:
    return f"extends: base.yaml\nrecipe: child\n{text}"


def test_only_what_is_different_is_written(written):
    recipe = blocks.load(written(child=child("d_model: 128\nlet: {ratio: 4}\n"), base=BASE))
    assert (recipe.recipe, recipe.about, recipe.d_model) == ("child", "", 128)
    assert recipe.let == {"heads": 4, "ratio": 4}
    layers = recipe.plan().layers
    assert layers[0].type.mixer.n_heads == 4
    assert layers[1].type.mixer.d_ff == 512


def test_a_published_architecture_is_extended_by_name():
    recipe = blocks.load("extends: gpt2\nrecipe: wide\nd_model: 1536\n")
    wide, narrow = recipe.plan(), blocks.load("gpt2").plan()
    assert (wide.sizes.d_model, narrow.sizes.d_model) == (1536, 768)
    assert wide.pattern == narrow.pattern


def test_a_file_called_like_a_published_one_is_not_meant(written):
    with pytest.raises(RecipeError, match="no published architecture is called 'base'"):
        blocks.load(written(child="extends: base\nrecipe: child\n", base=BASE))


def test_bases_below_have_bases_of_their_own(written):
    path = written(
        child="extends: kin/middle.yaml\nrecipe: child\n",
        kin__middle="extends: deep/base.yaml\nrecipe: middle\nd_model: 32\nlet: {heads: 2}\n",
        kin__deep__base=BASE,
    )
    plan = blocks.load(path).plan()
    assert (plan.name, plan.sizes.d_model, plan.layers[0].type.mixer.n_heads) == ("child", 32, 2)


def test_lists_and_the_model_are_replaced(written):
    text = child("model: [{embed: tokens}, {stack: {layers: ffn}}, {head: lm}]\n")
    assert len(blocks.load(written(child=text, base=BASE)).plan().layers) == 1


def test_null_removes_what_the_base_has(written):
    text = child("blocks: {ffn: {d_ff: null}, attention: {norm: null}}\n")
    attention, ffn = (layer.type for layer in blocks.load(written(child=text, base=BASE)).plan().layers[:2])
    assert ffn.mixer.d_ff == 4 * 64
    assert attention.norm.name == "rmsnorm"


def test_null_is_a_value_where_there_is_nothing_to_remove(only):
    found, _ = only(child=child("blocks: {fnn: null}\n"), base=BASE)
    assert (found.code, found.span.line) == ("B0203", 3)


def test_a_required_key_that_is_removed_is_missing(only):
    found, _ = only(child=child("d_model: null\n"), base=BASE)
    assert (found.code, found.message, Path(found.file).stem) == (
        "B0202",
        "the key 'd_model' is missing",
        "child",
    )


def test_another_mixer_resets_its_options_and_keeps_what_is_around_it(written):
    text = child("blocks: {attention: {mixer: mlp}}\n")
    block = blocks.load(written(child=text, base=BASE)).plan().layers[0].type
    assert (block.mixer.name, block.mixer.d_ff) == ("mlp", 256)
    assert block.norm.eps == 1e-6


def test_the_same_mixer_named_again_keeps_its_options(written):
    text = child("blocks: {attention: {mixer: multi_head, n_kv_heads: 2}}\n")
    mixer = blocks.load(written(child=text, base=BASE)).plan().layers[0].type.mixer
    assert (mixer.n_heads, mixer.n_kv_heads) == (4, 2)


@pytest.mark.parametrize(
    ("slot", "name", "option", "value"),
    [
        ("norm: {layernorm: {eps: 1e-3}}", "layernorm", "eps", 1e-3),
        ("norm: {layernorm: {}}", "layernorm", "eps", 1e-6),
        ("norm: layernorm", "layernorm", "eps", 1e-5),
        ("norm: {rmsnorm: {}}", "rmsnorm", "eps", 1e-5),
    ],
)
def test_options_follow_the_choice_that_they_belong_to(written, slot, name, option, value):
    norm = blocks.load(written(child=child(f"blocks: {{attention: {{{slot}}}}}\n"), base=BASE)).plan()
    norm = norm.layers[0].type.norm
    assert (norm.name, getattr(norm, option)) == (name, value)


def test_a_lock_has_everything_and_no_base(written):
    plan = blocks.load(written(child=child("d_model: 128\n"), base=BASE)).plan()
    text = canonical(plan)
    assert "extends" not in text
    again = blocks.load(text).plan()
    assert (again.name, again.pattern, again.sizes) == (plan.name, plan.pattern, plan.sizes)


# Errors -----------------------------------------------------------------------------------------------------------


def test_an_error_lies_in_the_file_that_says_it(only, tmp_path):
    found, shown = only(child=child("d_model: 100\n"), base=BASE.replace("n_heads: heads", "n_heads: 12"))
    assert (found.code, found.file) == ("B0307", str(tmp_path / "base.yaml"))
    assert found.as_json()["line"] == 7
    lines = shown.splitlines()
    assert lines[1] == f"  --> {tmp_path / 'base.yaml'}:7:43"
    assert lines[3].endswith("^^ 100 / 12 = 8.33")
    assert lines[4:7] == [
        f"  ::: {tmp_path / 'child.yaml'}:3:10",
        "3 | d_model: 100",
        "  |          --- d_model is set here",
    ]


def test_errors_of_all_files_come_at_once_the_recipes_own_first(written):
    path = written(
        child=child("let: {a: nothing}\n"), base=BASE.replace("vocab_size: 100", "vocab_size: many")
    )
    with pytest.raises(RecipeError) as caught:
        blocks.load(path).plan()
    assert [Path(d.file).stem for d in caught.value.diagnostics] == ["child", "base"]


def test_an_expression_of_the_base_is_underlined_in_part(only):
    _, shown = only(child=child(""), base=BASE.replace("ratio * d_model", "ratio * d_modle"))
    assert shown.splitlines()[3].rstrip().endswith("^^^^^^^")
    assert "did you mean d_model?" in shown


def test_a_base_that_cannot_be_read_says_who_wants_it(only):
    found, shown = only(child=child(""), base="recipe: base\nd_model: [1\n")
    assert (found.code, Path(found.file).stem, found.span.line) == ("B0112", "base", 2)
    assert "1 | extends: base.yaml" in shown
    assert "          --------- extended here" in shown


def test_a_base_is_a_mapping(only):
    found, shown = only(child=child(""), base="- a\n- b\n")
    assert (found.code, Path(found.file).stem) == ("B0208", "base")
    assert "extended here" in shown


@pytest.mark.parametrize("value", ["[a.yaml, b.yaml]", "null", "3", "''", "{file: base.yaml}"])
def test_what_is_no_name(only, value):
    found, _ = only(child=f"extends: {value}\nrecipe: child\n", base=BASE)
    assert (found.code, found.span.line) == ("B0203", 1)


@pytest.mark.parametrize(
    ("name", "help"),
    [("bsae.yaml", "did you mean base.yaml?"), ("nowhere/base.yaml", None), ("quite-another.yaml", None)],
)
def test_a_file_that_is_not_there(only, name, help):
    found, _ = only(child=f"extends: {name}\nrecipe: child\n", base=BASE)
    assert (found.code, found.span.line, found.help) == ("B0113", 1, help)


def test_a_published_name_with_a_slip(only):
    found, _ = only(child="extends: gtp2\nrecipe: child\n")
    assert (found.code, found.help) == ("B0113", "did you mean gpt2?")


def test_a_text_has_no_folder():
    with pytest.raises(RecipeError) as caught:
        blocks.load("extends: base.yaml\nrecipe: child\n")
    (found,) = caught.value.diagnostics
    assert (found.code, found.file, found.span.line) == ("B0113", "<text>", 1)


def test_a_circle_is_shown(only, tmp_path):
    a, b = (str(tmp_path / name) for name in ("a.yaml", "b.yaml"))
    found, _ = only(a="extends: b.yaml\nrecipe: a\n", b="extends: a.yaml\nrecipe: b\n")
    assert (found.code, found.file, found.span.line) == ("B0115", b, 1)
    assert found.message == f"this recipe extends itself: {a} -> {b} -> {a}"
    found, _ = only(c="extends: c.yaml\nrecipe: c\n")
    assert found.code == "B0115"


def test_a_circle_through_a_link_is_seen(only, tmp_path):
    (tmp_path / "other.yaml").symlink_to("a.yaml")
    found, _ = only(a="extends: other.yaml\nrecipe: a\n")
    assert found.code == "B0115"


def test_a_chain_has_an_end(written, only):
    chain = {f"r{i}": f"extends: r{i + 1}.yaml\nrecipe: r\n" for i in range(MAX_CHAIN)}
    assert blocks.load(written(**chain, **{f"r{MAX_CHAIN}": BASE})).d_model == 64
    longer = {f"s{i}": f"extends: s{i + 1}.yaml\nrecipe: s\n" for i in range(MAX_CHAIN + 1)}
    found, _ = only(**longer, **{f"s{MAX_CHAIN + 1}": BASE})
    assert (found.code, Path(found.file).stem) == ("B0116", f"s{MAX_CHAIN}")


def test_a_chain_is_no_larger_than_a_recipe(only):
    filler = "#" * (MAX_BYTES * 2 // 3) + "\n"
    found, _ = only(child=child("") + filler, base=filler + BASE)
    assert (found.code, Path(found.file).stem, found.span.line) == ("B0109", "child", 1)


# What is never read -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "../secret.yaml",
        "inner/../../secret.yaml",
        "/etc/secret.yaml",
        "~/secret.yaml",
        "C:/secret.yaml",
        "'..\\secret.yaml'",
        '"a\\0.yaml"',
        '"a\\nb.yaml"',
    ],
)
def test_nothing_outside_the_folder_is_read(written, tmp_path, name):
    (tmp_path / "in" / "inner").mkdir(parents=True)
    (tmp_path / "secret.yaml").write_text("password: hunter2\n")
    path = written(in__child=f"extends: {name}\nrecipe: child\n").parent / "in" / "child.yaml"
    with pytest.raises(RecipeError) as caught:
        blocks.load(tmp_path / "in" / "child.yaml")
    (found,) = caught.value.diagnostics
    assert (found.code, found.span.line) == ("B0114", 1)
    assert "hunter2" not in str(caught.value)
    assert path.name == "child.yaml"


def test_links_out_of_the_folder_are_not_followed(written, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "base.yaml").write_text(BASE)
    written(
        in__child="extends: base.yaml\nrecipe: child\n", in__other="extends: sub/base.yaml\nrecipe: child\n"
    )
    (tmp_path / "in" / "base.yaml").symlink_to(tmp_path / "outside" / "base.yaml")
    (tmp_path / "in" / "sub").symlink_to(tmp_path / "outside", target_is_directory=True)
    for name in ("child", "other"):
        with pytest.raises(RecipeError) as caught:
            blocks.load(tmp_path / "in" / f"{name}.yaml")
        (found,) = caught.value.diagnostics
        assert (found.code, found.span.line) == ("B0114", 1)
        assert "symbolic link" in found.message


def test_links_inside_the_folder_are_followed(written, tmp_path):
    path = written(child="extends: alias.yaml\nrecipe: child\n", base=BASE)
    (tmp_path / "alias.yaml").symlink_to("base.yaml")
    assert blocks.load(path).d_model == 64


def test_links_in_a_circle(only, tmp_path):
    (tmp_path / "base.yaml").symlink_to("again.yaml")
    (tmp_path / "again.yaml").symlink_to("base.yaml")
    found, _ = only(child=child(""))
    assert found.code == "B0113"


def test_what_is_no_file(only, tmp_path):
    (tmp_path / "base.yaml").mkdir()
    found, _ = only(child=child(""))
    assert (found.code, found.message) == ("B0113", "'base.yaml' is not a file")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names")
def test_a_pipe_is_not_waited_for(only, tmp_path):
    os.mkfifo(tmp_path / "base.yaml")
    found, _ = only(child=child(""))
    assert found.message == "'base.yaml' is not a file"


def test_a_name_of_any_length_is_refused(only):
    found, _ = only(child=f"extends: {'a' * 5000}.yaml\nrecipe: child\n")
    assert found.code == "B0113"


def test_what_is_missing_since_it_was_removed_is_shown_there(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("extends: gpt2\nrecipe: r\nd_model: 64\nblocks: {attention: null}\n")
    with pytest.raises(RecipeError) as caught:
        blocks.load(path).plan()
    (found,) = caught.value.diagnostics
    assert (found.code, Path(str(found.file)).name) == ("B0410", "gpt2.yaml")
    (note,) = found.notes
    assert (note.text, note.span) == ("attention is removed here", Span(4, 10, 19, str(path)))


def test_what_a_later_recipe_gives_back_is_not_missing(tmp_path: Path) -> None:
    (tmp_path / "middle.yaml").write_text("extends: gpt2\nrecipe: m\nblocks: {attention: null}\n")
    path = tmp_path / "r.yaml"
    path.write_text("extends: middle.yaml\nrecipe: r\nblocks: {attention: {mixer: mlp}}\n")
    recipe = blocks.load(path)
    assert recipe.document is not None
    assert recipe.document.removed == {}
    path.write_text("extends: middle.yaml\nrecipe: r\nd_model: null\n")
    with pytest.raises(RecipeError) as caught:
        blocks.load(path).plan()
    assert {note.text for found in caught.value.diagnostics for note in found.notes} >= {
        "d_model is removed here"
    }
