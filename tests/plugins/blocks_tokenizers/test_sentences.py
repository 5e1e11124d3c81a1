"""sentencepiece models: read without sentencepiece, encoded by it, and converted to a tokenizer.json that agrees."""

from __future__ import annotations

from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from blocks import BuildError
from blocks_tokenizers.files import count_ids, open_files
from blocks_tokenizers.proto import read_model
from blocks_tokenizers.sentences import converted, convertible

from .learning import TEXTS, cyrillic, known, unicode

MODELS: dict[str, dict[str, Any]] = {
    "unigram": {"model_type": "unigram"},
    "unigram, plain": {
        "model_type": "unigram", "normalization_rule_name": "identity", "add_dummy_prefix": False,
        "remove_extra_whitespaces": False, "byte_fallback": True, "vocab_size": 500,
    },
    "bpe": {"model_type": "bpe"},
    "bpe, as llama": {
        "model_type": "bpe", "normalization_rule_name": "identity", "remove_extra_whitespaces": False,
        "byte_fallback": True, "vocab_size": 500, "split_digits": True, "pad_id": 3,
    },
    "bpe, given pieces": {"model_type": "bpe", "user_defined_symbols": ["родна", "<sep>"]},
}  # fmt: skip


@cache
def trained(name: str) -> bytes:
    written = BytesIO()
    options = {"vocab_size": 220, "hard_vocab_limit": False, "character_coverage": 1.0, **MODELS[name]}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 3), model_writer=written, minloglevel=2, num_threads=1, **options
    )
    return written.getvalue()


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    file = tmp_path / "my.model"
    file.write_bytes(trained(request.param))
    return file


def test_the_file_is_read_as_sentencepiece_reads_it(model: Path) -> None:
    theirs, read = sentencepiece.SentencePieceProcessor(model_file=str(model)), read_model(model.read_bytes())
    ids = range(theirs.get_piece_size())
    assert [piece.text for piece in read.pieces] == [theirs.id_to_piece(id) for id in ids]
    assert [piece.score for piece in read.pieces] == [theirs.get_score(id) for id in ids]
    for kind, asked in (
        ("control", theirs.is_control), ("unknown", theirs.is_unknown), ("byte", theirs.is_byte),
    ):  # fmt: skip
        assert [piece.kind == kind for piece in read.pieces] == [asked(id) for id in ids]
    roles = {"unk": theirs.unk_id(), "bos": theirs.bos_id(), "eos": theirs.eos_id(), "pad": theirs.pad_id()}
    assert read.ids == {role: id for role, id in roles.items() if id >= 0}
    assert count_ids(model) == len(ids)


def test_the_coder_is_sentencepiece(model: Path) -> None:
    theirs, coder = sentencepiece.SentencePieceProcessor(model_file=str(model)), open_files(model)
    assert coder.encode_batch(TEXTS) == [theirs.encode(text) for text in TEXTS]
    assert [coder.decode(ids) for ids in coder.encode_batch(TEXTS)] == [
        theirs.decode(theirs.encode(t)) for t in TEXTS
    ]
    assert [coder.piece(id) for id in range(5)] == [theirs.id_to_piece(id) for id in range(5)]
    for id in (-1, coder.vocab_size):
        with pytest.raises(BuildError, match="B1205"):
            coder.decode([id])
        with pytest.raises(BuildError, match="B1205"):
            coder.piece(id)
    with pytest.raises(BuildError, match="B1207"):
        coder.encode("\udc80")


@pytest.mark.parametrize("name", MODELS)
@given(text=st.one_of(known, cyrillic, unicode))
@settings(max_examples=60, deadline=None)
def test_the_converted_one_agrees(name: str, text: str) -> None:
    model = read_model(trained(name))
    assume(not any(piece.kind in ("control", "unknown") and piece.text in text for piece in model.pieces))
    assume("\0" not in text)  # where sentencepiece's decoding ends
    theirs, ours = _theirs(name), _ours(name)
    ids = theirs.encode(text)
    assert ours.encode(text) == ids
    if 0 not in ids:
        assert ours.decode(ids) == theirs.decode(ids)


@cache
def _theirs(name: str) -> Any:
    return sentencepiece.SentencePieceProcessor(model_proto=trained(name))


@cache
def _ours(name: str) -> Any:
    return converted(read_model(trained(name)), {"unk": "<unk>"})


def test_what_is_saved_is_opened_again(model: Path, tmp_path: Path) -> None:
    coder, folder = open_files(model), tmp_path / "saved"
    folder.mkdir()
    coder.save(folder)
    assert {path.name for path in folder.iterdir()} == {
        "tokenizer.model",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert open_files(folder / "tokenizer.model").digest == coder.digest
    by_library = open_files(folder)
    assert (by_library.roles, by_library.vocab_size) == (coder.roles, coder.vocab_size)
    theirs = PreTrainedTokenizerFast.from_pretrained(folder)
    for text in TEXTS:
        assert theirs(text).input_ids == by_library.encode(text) == coder.encode(text)


def test_special_tokens_are_decoded(model: Path) -> None:
    coder = open_files(model)
    ids = [coder.roles["bos"], *coder.encode("free and equal"), coder.roles["eos"]]
    assert coder.decode(ids).replace(" ", "") == "<s>freeandequal</s>"


def test_what_a_tokenizer_json_has_nothing_for(tmp_path: Path) -> None:
    file, written = tmp_path / "suffix.model", BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS), model_writer=written, minloglevel=2, vocab_size=150, hard_vocab_limit=False,
        treat_whitespace_as_suffix=True,
    )  # fmt: skip
    file.write_bytes(written.getvalue())
    assert not convertible(read_model(written.getvalue()))
    coder = open_files(file)
    (tmp_path / "saved").mkdir()
    coder.save(tmp_path / "saved")
    assert [path.name for path in (tmp_path / "saved").iterdir()] == ["tokenizer.model"]
    assert open_files(tmp_path / "saved").encode(TEXTS[0]) == coder.encode(TEXTS[0])
    with pytest.raises(BuildError, match="B1202"):
        coder.extended(["more"], {})  # type: ignore[attr-defined]


@given(cut=st.integers(0, 400), other=st.binary(max_size=3))
@settings(max_examples=100, deadline=None)
def test_damaged_files_are_refused_or_read(cut: int, other: bytes) -> None:
    data = trained("bpe")
    for damaged in (data[:cut], data[:cut] + other + data[cut + len(other) :]):
        try:
            read_model(damaged)
        except ValueError:
            continue
