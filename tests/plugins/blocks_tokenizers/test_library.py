"""The coder: what it encodes it decodes, transformers reads what it saves, and it says what has no id."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from blocks import BuildError, Coder
from blocks_tokenizers.files import count_ids, open_files

from .learning import KINDS, TEXTS, cyrillic, known, learn, learnt, unicode

LOSSLESS = {
    "bpe": learn("bpe"),
    "bpe gpt4": learn("bpe", split="gpt4", digits="single", punctuation=True),
    "bpe alone": learn("bpe", split="none"),
    "unigram": learn("unigram", 700, byte_fallback=True, digits="single", punctuation=True),
}
LEARNT = {kind: learn(kind, unk="<unk>") for kind in KINDS}


@pytest.mark.parametrize("name", LOSSLESS)
@given(text=st.one_of(unicode, known, cyrillic))
@settings(max_examples=60, deadline=None)
def test_any_text_survives(name: str, text: str) -> None:
    coder = LOSSLESS[name]
    ids = coder.encode(text)
    assert all(0 <= id < coder.vocab_size for id in ids)
    assert coder.decode(ids) == (text.replace("▁", " ") if name == "unigram" else text)


@given(text=known)
@settings(max_examples=60, deadline=None)
def test_known_characters_survive(text: str) -> None:
    for kind in ("char", "unigram"):
        assert LEARNT[kind].decode(LEARNT[kind].encode(text)) == text


@pytest.mark.parametrize("kind", KINDS)
@given(text=st.one_of(unicode, known, cyrillic))
@settings(max_examples=30, deadline=None)
def test_what_was_decoded_is_decoded_again(kind: str, text: str) -> None:
    coder = LEARNT[kind]
    once = coder.decode(coder.encode(text))
    assert coder.decode(coder.encode(once)) == once


@given(texts=st.lists(st.one_of(unicode, known), max_size=6))
@settings(max_examples=30, deadline=None)
def test_a_batch_is_its_texts(texts: list[str]) -> None:
    for coder in LEARNT.values():
        assert coder.encode_batch(texts) == [coder.encode(text) for text in texts]


@pytest.fixture(scope="module", params=[*LEARNT, *LOSSLESS])
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Coder, Path]:
    coder = (LEARNT | LOSSLESS)[request.param]
    folder = tmp_path_factory.mktemp("saved")
    coder.save(folder)
    return coder, folder


def test_transformers_reads_what_is_saved(saved: tuple[Coder, Path]) -> None:
    coder, folder = saved
    theirs = PreTrainedTokenizerFast.from_pretrained(folder)

    @given(text=st.one_of(unicode, known, cyrillic))
    @settings(max_examples=40, deadline=None)
    def same(text: str) -> None:
        ids = coder.encode(text)
        assert theirs(text).input_ids == ids
        assert theirs.decode(ids) == coder.decode(ids)

    same()
    size = coder.vocab_size
    assert len(theirs) == size == count_ids(folder)
    assert theirs.convert_ids_to_tokens(range(size)) == [coder.piece(id) for id in range(size)]
    for role, id in coder.roles.items():
        assert getattr(theirs, f"{role}_token_id") == id


def test_what_is_saved_is_opened_again(saved: tuple[Coder, Path]) -> None:
    coder, folder = saved
    again = open_files(folder)
    assert (again.digest, again.roles, again.vocab_size) == (coder.digest, coder.roles, coder.vocab_size)
    assert again.encode_batch(TEXTS) == coder.encode_batch(TEXTS)


def test_the_role_of_a_token_changes_the_digest() -> None:
    assert learnt("bpe", pad="<a>", eos="<b>").digest != learnt("bpe", pad="<b>", eos="<a>").digest


def test_what_has_no_id() -> None:
    coder = learn("char", texts=["abc"])
    for encode in (coder.encode, lambda text: coder.encode_batch(["a", text])):
        with pytest.raises(BuildError, match=r"error\[B1206\]: 'd' has no id.*\n.*unk: <unk>"):
            encode("abcd")
    words = learn("word", texts=["the cat"], unk=None)
    with pytest.raises(BuildError, match=r"B1206.*'dog' has no id"):
        words.encode("the dog")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_id_and_what_is_no_text(kind: str) -> None:
    coder = LEARNT[kind]
    for id in (-1, coder.vocab_size):
        with pytest.raises(
            BuildError, match=rf"B1205.*there is no token {id}\n.*0 to {coder.vocab_size - 1}"
        ):
            coder.decode([0, id])
        with pytest.raises(BuildError, match="B1205"):
            coder.piece(id)
    with pytest.raises(BuildError, match=r"B1207.*character 2 of the text is U\+DC80"):
        coder.encode("ab\udc80")
    assert (coder.encode(""), coder.decode([]), coder.encode_batch([])) == ([], "", [])


def test_further_tokens_are_whole() -> None:
    coder = LEARNT["bpe"]
    more = coder.extended(["Україна", "fibonacci"], {"mask": "<mask>"})  # type: ignore[attr-defined]
    size = coder.vocab_size
    assert (more.vocab_size, more.roles) == (size + 3, {**coder.roles, "mask": size + 2})
    assert more.encode("fibonacci<mask>") == [size + 1, size + 2]
    assert more.decode(more.encode("в Україна!")) == "в Україна!"
    assert more.encode(TEXTS[1]) == coder.encode(TEXTS[1])
    assert coder.vocab_size == size


def test_the_libraries_are_imported_on_first_use() -> None:
    program = (
        "import sys, blocks\n"
        "recipe = 'recipe: r\\nd_model: 8\\nvocab_size: 300\\ntokenizer: NAME\\nmodel: [{embed: tokens}]'\n"
        "for name in ('byte', 'char', 'word', 'bpe', 'wordpiece', 'unigram'):\n"
        "    blocks.load(recipe.replace('NAME', name)).plan()\n"
        "print({'tokenizers', 'sentencepiece', 'torch', 'transformers'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_library_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(
        BuildError, match=r'B0806.*needs tokenizers.*\n.*pip install "blocks-dsl\[tokenizers\]"'
    ):
        learn("char")
