"""What a corpus is split into, and how many bytes of text each side stands for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from blocks import BuildError
from blocks_train.data import encode, prepare


@pytest.fixture(scope="module")
def pieces(library):
    """Byte-level pieces, of which one may be part of a character."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|end|>"],
        show_progress=False,
    )
    tokenizer.train_from_iterator(["the cat sat on the mat"] * 3, trainer)
    return library(tokenizer, {"eos": 0})


def test_the_first_nine_tenths_of_one_document_as_nanogpt_takes_them(tmp_path, cache, letters):
    """int(0.9 * 1115394) characters of tiny-shakespeare: here a text of that length."""
    (tmp_path / "a.txt").write_text("abcdefg\n" * (1_115_394 // 8) + "ab")
    train, validation = prepare([tmp_path / "a.txt"], letters, cache).split(0.1)
    assert (len(train.tokens), len(validation.tokens)) == (1_003_854, 111_540)
    assert (train.bytes, validation.bytes) == (1_003_854, 111_540)
    assert train.digest != validation.digest


@settings(deadline=None, max_examples=40)
@given(count=st.integers(2, 40), share=st.sampled_from([0.1, 0.25, 0.5, 0.9, 0.07]))
def test_the_first_documents_of_several(count, share, numbered):
    corpus = numbered(*range(1, count + 1))
    first = int(count * (100 - round(share * 100)) // 100)
    if first in (0, count):
        with pytest.raises(BuildError, match="leaves nothing to"):
            corpus.split(share)
        return
    train, validation = corpus.split(share)
    assert (len(train), len(validation)) == (first, count - first)
    assert train.tokens.tolist() + validation.tokens.tolist() == list(range(len(corpus.tokens)))
    assert train.bytes + validation.bytes == corpus.bytes
    for index in range(len(validation)):
        assert validation.document(index).tolist() == corpus.document(first + index).tolist()


@pytest.mark.parametrize("chunk", [32, 10_000])
@pytest.mark.parametrize("share", [0.1, 0.37, 0.5, 0.9])
def test_bytes_of_a_document_that_is_cut_anywhere(tmp_path, cache, pieces, monkeypatch, chunk, share):
    monkeypatch.setattr(encode, "CHUNK", chunk)
    text = "the cat sat. 🙂é сад\n" * 40
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    corpus = prepare([tmp_path / "a.txt"], pieces, cache)
    assert corpus.tokens[-1] == 0
    assert corpus.bytes == len(text.encode())
    assert (len(corpus.marks) > 0) == (chunk == 32)
    train, validation = corpus.split(share)
    written = pieces.decode(train.tokens.tolist()).rstrip("\ufffd")
    assert text.startswith(written)
    assert train.bytes == len(written.encode())
    assert train.bytes + validation.bytes == corpus.bytes
    again, rest = validation.split(0.5)
    assert again.bytes + rest.bytes == validation.bytes
    assert (
        text.encode()[train.bytes :].decode().startswith(pieces.decode(again.tokens.tolist()).strip("\ufffd"))
    )


def test_bytes_are_shared_out_where_a_tokenizer_loses_some(tmp_path, cache, library):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.train_from_iterator(
        ["the cat"], trainers.WordPieceTrainer(vocab_size=50, special_tokens=["[UNK]"], show_progress=False)
    )
    (tmp_path / "a.txt").write_text("The   cat\n" * 100)
    train, validation = prepare([tmp_path / "a.txt"], library(tokenizer), cache).split(0.25)
    assert train.bytes + validation.bytes == 1000
    assert train.bytes == pytest.approx(750, abs=10)


def test_no_share_and_too_small_a_one(numbered):
    corpus = numbered(5)
    assert corpus.split(0) == (corpus, None)
    with pytest.raises(BuildError) as caught:
        corpus.split(0.9)
    (found,) = caught.value.diagnostics
    assert found.code == "B1407"
    assert found.message == "a share of 0.9 of 5 tokens leaves nothing to train on"
    with pytest.raises(BuildError, match=r"a share of 0\.1 of 1 tokens leaves nothing to train on"):
        numbered(1).split(0.1)
