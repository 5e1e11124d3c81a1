"""What the declarations of tokenizers say, without a library."""

from __future__ import annotations

import pytest

import blocks
from blocks import RecipeError, Registry, Sizes
from blocks_tokenizers.specs import Byte, Trained

RECIPE = "recipe: r\nd_model: 8\nvocab_size: 300\ntokenizer: TOKENIZER\nmodel: [{embed: tokens}]\n"


def test_bytes_need_nothing() -> None:
    byte = Byte()
    assert (byte.vocab_size, byte.needs_training, byte.has_files) == (256, False, False)
    assert list(byte.check(Sizes(1))) == []


def test_further_special_tokens_of_bytes_have_ids() -> None:
    text = RECIPE.replace("vocab_size: 300\n", "").replace("TOKENIZER", "{byte: {mask: <mask>, bos: <bos>}}")
    assert blocks.load(text).plan().sizes.vocab_size == 258


@pytest.mark.parametrize("name", ["char", "word", "bpe", "wordpiece", "unigram"])
def test_the_recipe_says_how_many_ids_are_trained(name: str) -> None:
    tokenizer = blocks.load(RECIPE.replace("TOKENIZER", name)).plan().tokenizer
    assert isinstance(tokenizer, Trained)
    assert (tokenizer.vocab_size, tokenizer.target, tokenizer.needs_training) == (None, 300, True)
    own = blocks.load(RECIPE.replace("TOKENIZER", f"{{{name}: {{size: 290}}}}")).plan()
    assert isinstance(own.tokenizer, Trained)
    assert (own.sizes.vocab_size, own.tokenizer.vocab_size, own.tokenizer.target) == (300, 290, 290)
    text = RECIPE.replace("vocab_size: 300\n", "").replace("TOKENIZER", f"{{{name}: {{size: 290}}}}")
    assert blocks.load(text).plan().sizes.vocab_size == 290


@pytest.mark.parametrize(
    ("tokenizer", "code", "says"),
    [
        ("{char: {min_count: 2}}", "B0312", "there is no token for the unknown"),
        ("{word: {min_count: 2, unk: null}}", "B0312", "there is no token for the unknown"),
        ("{bpe: {eos: e}}", "B0302", "a single letter stands for a byte"),
        ("{byte: {mask: _}}", "B0302", "a single letter stands for a byte"),
        ("{wordpiece: {unk: null}}", "B0203", "expected text, found nothing"),
        ("{bpe: {split: whitespace}}", "B0205", "whitespace"),
        ("{unigram: {coverage: 0}}", "B0302", "coverage"),
        ("{bpe: {size: 301}}", "B0310", "vocab_size = 300 is less than the 301 ids of bpe"),
        ("bpee", "B0601", "no tokenizer is called 'bpee'"),
    ],
)
def test_what_cannot_be(tokenizer: str, code: str, says: str) -> None:
    with pytest.raises(RecipeError) as caught:
        blocks.load(RECIPE.replace("TOKENIZER", tokenizer)).plan()
    (found,) = caught.value.diagnostics
    assert (found.code, found.span and found.span.line) == (code, 3 if code == "B0310" else 4)
    assert says in found.message
    assert found.help


def test_options_are_read_back_from_their_canonical_form() -> None:
    from blocks.canonical import canonical

    for name in ("byte", "char", "word", "bpe", "wordpiece", "unigram"):
        options = '{mask: "# m"}' if name == "byte" else '{pad: "<\\n>", eos: "< a: b>", lowercase: true}'
        plan = blocks.load(RECIPE.replace("TOKENIZER", f"{{{name}: {options}}}")).plan()
        again = blocks.load(canonical(plan)).plan()
        assert again.tokenizer == plan.tokenizer


def test_every_option_is_described() -> None:
    registry = Registry.installed(plugins=False)
    for entry in registry.of_kind("tokenizer"):
        fields = registry.find("tokenizer", entry.name).load().model_fields
        assert [name for name, field in fields.items() if not field.description] == []
