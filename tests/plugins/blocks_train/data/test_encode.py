"""A long document in chunks has the tokens that it has at once, whatever stands at the beginning of a text."""

import random

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from blocks_train.data import encode as module
from blocks_train.data.encode import Chunks, encode

WORDS = [
    "the",
    "small",
    "bird",
    "sang",
    "élan",
    "сад",
    "don't",
    "2026",
    "🙂",
    "a",
    "tree,",
    "over",
    "_under_",
]


def story(seed: int, words: int = 4000) -> str:
    draw = random.Random(seed)
    marks = [" "] * 12 + ["\n", "\n\n", "  ", "\n \n", "\t", "\r\n", ". "]
    return "".join(draw.choice(WORDS) + draw.choice(marks) for _ in range(words))


def byte_level():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer, trainers.BpeTrainer(
        vocab_size=500, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )


def prefixed():
    """A space before every text, as sentencepiece has by default."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    return tokenizer, trainers.UnigramTrainer(
        vocab_size=300, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False
    )


def word_pieces():
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer, trainers.WordPieceTrainer(vocab_size=300, special_tokens=["[UNK]"], show_progress=False)


def across_words():
    """Merges over spaces and line breaks: a tokenizer that has no safe place to be cut at by sight."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer, trainers.BpeTrainer(
        vocab_size=700,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
        max_token_length=12,
    )


def in_chunks(text, coder, *, part=999):
    chunks = Chunks(coder)
    parts = [(text[start : start + part], start + part >= len(text)) for start in range(0, len(text), part)]
    found = [chunk for one in parts for chunk in chunks.feed(one)]
    assert "".join(chunk.text for chunk in found) == text
    assert [chunk.ends for chunk in found] == [False] * (len(found) - 1) + [True]
    return found, [id for ids in encode(found, coder) for id in ids]


@pytest.mark.parametrize("make", [byte_level, prefixed, word_pieces])
@pytest.mark.parametrize("chunk", [300, 2000])
def test_chunks_have_the_tokens_of_the_whole(make, chunk, library, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", chunk)
    tokenizer, trainer = make()
    tokenizer.train_from_iterator([story(99)], trainer)
    coder = library(tokenizer)
    for seed in range(3):
        text = story(seed)
        found, ids = in_chunks(text, coder)
        assert len(found) > len(text) / chunk / 2
        assert ids == coder.encode(text)


def test_the_tokenizer_would_take_a_chunk_for_a_beginning(library):
    """What the context is for: without it the test above fails."""
    tokenizer, trainer = prefixed()
    tokenizer.train_from_iterator([story(99)], trainer)
    coder = library(tokenizer)
    assert coder.encode("bird\n") + coder.encode("sang") != coder.encode("bird\nsang")


def test_seams_are_tried_with_the_tokenizer_itself(library, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 300)
    tokenizer, trainer = across_words()
    tokenizer.train_from_iterator([story(99)], trainer)
    coder = library(tokenizer)
    text = story(5)
    _, ids = in_chunks(text, coder)
    different = sum(a != b for a, b in zip(ids, coder.encode(text), strict=False))
    assert coder.decode(ids) == text
    assert abs(len(ids) - len(coder.encode(text))) <= 5, different


def test_letters_are_cut_anywhere_they_must(letters, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 64)
    monkeypatch.setattr(module, "LONGEST", 256)
    found, ids = in_chunks("x" * 5000, letters)
    assert ids == letters.encode("x" * 5000)
    assert max(len(chunk.text) for chunk in found) <= 256


def test_documents_do_not_see_each_other(bytewise):
    chunks = Chunks(bytewise)
    found = [chunk for part in [("ab", True), ("c", False), ("d", True)] for chunk in chunks.feed(part)]
    assert [(chunk.context, chunk.text) for chunk in found] == [("", "ab"), ("", "cd")]
    assert encode(found, bytewise) == [[97, 98], [99, 100]]
