"""What a tokenizer declares, and how a folder's coder is found."""

from __future__ import annotations

from pathlib import Path

import pytest

import blocks
from blocks import BuildError, RecipeError, Register, Registry, Tokenizer, hookimpl
from blocks.cli import main
from blocks.tokenizer import check_coder, coder_of

RECIPE = """\
recipe: r
d_model: 32
tokenizer: byte
blocks:
  ffn: {mixer: mlp}
model: [{embed: tokens}, {stack: {layers: [ffn]}}, {head: lm}]
"""


def test_a_tokenizer_must_say_how() -> None:
    with pytest.raises(NotImplementedError, match="Tokenizer must define train"):
        Tokenizer().train([])
    with pytest.raises(NotImplementedError, match="Tokenizer must define open"):
        Tokenizer().open(None)


def test_one_that_is_trained_has_no_size_of_its_own() -> None:
    tokenizer = Tokenizer()
    assert (tokenizer.vocab_size, tokenizer.needs_training, tokenizer.has_files) == (None, True, True)
    assert tokenizer.beside(Path()) is tokenizer.kept() is tokenizer


class Syllables(Tokenizer):
    """One that is trained."""


class Plugin:
    """Brings it."""

    @hookimpl
    def register_tokenizers(self, register: Register) -> None:
        register("syllables", Syllables)


REGISTRY = Registry.installed().with_plugin(Plugin())


def test_the_recipe_says_how_many_ids_it_has() -> None:
    text = RECIPE.replace("byte", "syllables").replace("[{embed", "\n  [{embed")
    with pytest.raises(RecipeError) as caught:
        blocks.load(text).plan(registry=REGISTRY)
    (found,) = caught.value.diagnostics
    assert (found.code, found.span and found.span.line, found.help is not None) == ("B0318", 3, True)
    plan = blocks.load(text + "vocab_size: 500\n").plan(registry=REGISTRY)
    assert (plan.sizes.vocab_size, coder_of(plan)) == (500, None)


def test_a_sentence_says_how_many_ids_it_has() -> None:
    said = (
        "recipe: r\nd_model: 32\ntokenizer: syllables\nmodel: 2 blocks of attention and FFN, vocabulary 600\n"
    )
    assert blocks.load(said).plan(registry=REGISTRY).sizes.vocab_size == 600


def test_the_coder_of_a_build_folder_is_what_its_recipe_names(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(RECIPE)
    assert main(["build", str(tmp_path / "r.yaml"), "-o", str(tmp_path / "built")]) == 0
    assert not (tmp_path / "built" / "tokenizer").exists()
    coder = blocks.open_tokenizer(tmp_path / "built")
    assert coder.encode("aé") == [97, 195, 169]
    plan = blocks.load(RECIPE).plan()
    made = coder_of(plan)
    assert made is not None
    assert made.digest == coder.digest
    check_coder(plan, coder)


def test_a_folder_without_one(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"B1201.*has no tokenizer"):
        blocks.open_tokenizer(tmp_path)
    with pytest.raises(BuildError, match=r"B1201.*has no tokenizer"):
        blocks.open_tokenizer(tmp_path / "nowhere")


def test_a_coder_with_more_ids_than_the_recipe(tmp_path: Path) -> None:
    small = blocks.load(RECIPE.replace("tokenizer: byte", "vocab_size: 100")).plan()
    coder = coder_of(blocks.load(RECIPE).plan())
    assert coder is not None
    assert coder_of(small) is None
    with pytest.raises(BuildError, match=r"B0310.*vocab_size = 100 of r is less than the 256 ids"):
        check_coder(small, coder)
