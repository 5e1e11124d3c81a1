"""`tokenizer: {file: {path: …}}`: found beside the recipe, checked at once, kept in build folders."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import blocks
from blocks import BuildError, RecipeError
from blocks.cli import main
from blocks.same import same_plan
from blocks_tokenizers.file import File

from .learning import TEXTS, learn, learnt

RECIPE = """\
recipe: small
d_model: 16
tokenizer: {file: {path: words}}
blocks:
  ffn: {mixer: mlp}
model:
  - embed: tokens
  - stack: {layers: [ffn]}
  - head: {lm: {tied: true}}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe, with a folder of tokenizer files beside it."""
    folder = tmp_path / "here" / "words"
    folder.mkdir(parents=True)
    learnt("bpe", 300).save(folder)
    file = tmp_path / "here" / "small.yaml"
    file.write_text(RECIPE)
    return file


def test_the_file_says_how_many_ids_there_are(recipe: Path) -> None:
    plan = blocks.load(recipe).plan()
    assert plan.sizes.vocab_size == 300
    assert plan.tokenizer is not None
    assert (plan.tokenizer.vocab_size, plan.tokenizer.needs_training) == (300, False)
    coder = plan.tokenizer.open(None)
    assert coder.digest == learnt("bpe", 300).digest


def test_no_library_is_imported_to_count_them(recipe: Path) -> None:
    program = (
        "import sys\nfrom blocks.cli import main\n"
        f"assert main(['check', {str(recipe)!r}]) == main(['show', {str(recipe)!r}]) == 0\n"
        "assert not {'tokenizers', 'sentencepiece', 'torch'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


def test_a_base_in_another_folder_names_its_own_file(recipe: Path, tmp_path: Path) -> None:
    child = tmp_path / "child.yaml"
    child.write_text("extends: here/small.yaml\nrecipe: child\nd_model: 32\n")
    plan = blocks.load(child).plan()
    assert plan.sizes.vocab_size == 300
    (tmp_path / "words").mkdir()
    learnt("char").save(tmp_path / "words")
    named = blocks.load(child, set=["tokenizer={file: {path: words/tokenizer.json}}"]).plan()
    assert named.sizes.vocab_size == learnt("char").vocab_size


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("word", "B1201", "there is no file"),
        ("words/tokenizer.jsn", "B1201", "there is no file"),
        ("words/tokenizer_config.json", "B1202", "it has no model"),
        ("small.yaml", "B1202", "is not a tokenizer"),
        ("../here/words", "B1201", "is not a path below the recipe's folder"),
        ("/etc/passwd", "B1201", "is not a path below the recipe's folder"),
    ],
)
def test_what_is_wrong_is_said_at_its_place(recipe: Path, path: str, code: str, message: str) -> None:
    recipe.write_text(RECIPE.replace("path: words", f"path: {path}"))
    with pytest.raises(RecipeError) as caught:
        blocks.load(recipe).plan()
    (found,) = caught.value.diagnostics
    assert (found.code, found.span and (found.span.line, found.span.column)) == (code, (3, 26))
    assert message in found.message
    assert found.help


def test_a_smaller_vocabulary(recipe: Path) -> None:
    recipe.write_text(RECIPE.replace("tokenizer:", "vocab_size: 299\ntokenizer:"))
    with pytest.raises(RecipeError, match=r"B0310.*vocab_size = 299 is less than the 300 ids of file"):
        blocks.load(recipe).plan()


def test_a_build_folder_holds_it(recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    built = tmp_path / "built"
    assert main(["build", str(recipe), "-o", str(built)]) == 0
    manifest = json.loads((built / "manifest.json").read_text())
    assert {"tokenizer/tokenizer.json", "tokenizer/tokenizer_config.json"} <= manifest["files"].keys()
    assert "path: tokenizer/tokenizer.json" in (built / "recipe.lock.yaml").read_text()
    for path in (recipe, recipe.parent / "words"):
        path.rename(path.with_name(f"{path.name}.gone"))
    coder = blocks.open_tokenizer(built)
    assert coder.digest == learnt("bpe", 300).digest
    model = blocks.from_pretrained(built)
    assert blocks.load(str(model.recipe)).plan().sizes.vocab_size == 300
    assert main(["build", str(built / "recipe.lock.yaml"), "-o", str(tmp_path / "again")]) == 0
    assert blocks.open_tokenizer(tmp_path / "again").digest == coder.digest
    file = blocks.open_tokenizer(built / "tokenizer" / "tokenizer.json")
    assert file.encode(TEXTS[0]) == coder.encode(TEXTS[0])


def test_a_sentencepiece_model_is_kept_as_it_is(recipe: Path, tmp_path: Path) -> None:
    from .test_sentences import trained

    (recipe.parent / "my.model").write_bytes(trained("unigram"))
    recipe.write_text(RECIPE.replace("path: words", "path: my.model"))
    plan = blocks.load(recipe).plan()
    assert plan.tokenizer is not None
    assert main(["build", str(recipe), "-o", str(tmp_path / "built")]) == 0
    digest = plan.tokenizer.open(None).digest
    assert blocks.open_tokenizer(tmp_path / "built").digest == digest
    assert plan.tokenizer.open(tmp_path / "built" / "tokenizer").digest == digest


def test_roles_are_those_of_the_config_and_of_the_recipe(recipe: Path) -> None:
    folder = recipe.parent / "words"
    learn("bpe", 300, pad="<pad>").save(folder)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config["pad_token"] = {"content": "<pad>", "special": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    assert blocks.open_tokenizer(folder).roles == {"pad": 0, "eos": 1}
    recipe.write_text(RECIPE.replace("path: words", "path: words, sep: he"))
    tokenizer = blocks.load(recipe).plan().tokenizer
    assert tokenizer is not None
    assert tokenizer.open(None).roles.keys() == {"pad", "eos", "sep"}
    recipe.write_text(RECIPE.replace("path: words", "path: words, sep: <nowhere>"))
    tokenizer = blocks.load(recipe).plan().tokenizer
    assert tokenizer is not None
    with pytest.raises(BuildError, match=r"B1209.*has no token '<nowhere>'"):
        tokenizer.open(None)


def test_a_recipe_without_a_folder(recipe: Path) -> None:
    text = RECIPE.replace("tokenizer:", "vocab_size: 300\ntokenizer:")
    tokenizer = blocks.load(text).plan().tokenizer
    assert tokenizer is not None
    with pytest.raises(BuildError, match=r"B1201.*no folder to look for words in"):
        tokenizer.open(None)
    with pytest.raises(RecipeError, match="B0318"):
        blocks.load(RECIPE).plan()


def test_it_is_the_same_plan_wherever_its_file_is(recipe: Path) -> None:
    found = blocks.load(recipe).plan()
    without = blocks.load(RECIPE.replace("tokenizer:", "vocab_size: 300\ntokenizer:")).plan()
    other = blocks.load(RECIPE.replace("tokenizer: {file: {path: words}}", "vocab_size: 300")).plan()
    assert same_plan(found, without)
    assert not same_plan(found, other)


def test_one_that_is_trained_is_opened_from_the_folder_of_its_build(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(RECIPE.replace("{file: {path: words}}", "bpe\nvocab_size: 300"))
    built = tmp_path / "built"
    assert main(["build", str(tmp_path / "r.yaml"), "-o", str(built)]) == 0
    with pytest.raises(BuildError, match=r"B1203.*bpe is not trained yet"):
        blocks.open_tokenizer(built)
    plan = blocks.load(tmp_path / "r.yaml").plan()
    assert plan.tokenizer is not None
    coder = plan.tokenizer.train(TEXTS)
    assert coder.digest == learnt("bpe", 300).digest
    blocks.save_build(
        blocks.build(tmp_path / "r.yaml"), blocks.compile_graph(tmp_path / "r.yaml"), built, coder=coder
    )
    assert blocks.open_tokenizer(built).digest == coder.digest


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"model": 3}', '{"model": {"type": "BPE"}}', '{"model": {"type": "BPE", "vocab": {"a": "b"}}}',
        '{"model": {"type": "Nonsense", "vocab": {"a": 0}}}', '{"model": {"vocab": {}}, "added_tokens": [{}]}',
        "[" * 5000,
    ],
)  # fmt: skip
def test_what_is_no_tokenizer(text: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises(BuildError, match="B1202"):
        blocks.open_tokenizer(tmp_path)
    File(path="tokenizer.json").beside(tmp_path)
