"""Bytes in, bytes out."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks import BuildError
from blocks_tokenizers.bytewise import Bytes


@given(st.lists(st.text()))
def test_text_survives(texts: list[str]) -> None:
    texts = [text.encode("utf-8", "ignore").decode() for text in texts]
    coder = Bytes()
    for text, ids in zip(texts, coder.encode_batch(texts), strict=True):
        assert ids == list(text.encode()) == coder.encode(text)
        assert coder.decode(ids) == text


def test_ids_that_are_no_text_are_marked() -> None:
    assert Bytes().decode([0xFF, 65]) == "\ufffdA"


def test_what_is_no_id_and_what_is_no_text() -> None:
    for id in (256, -1):
        with pytest.raises(BuildError, match=rf"error\[B1205\]: there is no token {id}\n.*ids are 0 to 255"):
            Bytes().decode([65, id])
        with pytest.raises(BuildError, match=r"B1205"):
            Bytes().piece(id)
    with pytest.raises(BuildError, match=r"B1207.*character 2 of the text is U\+DC80, half"):
        Bytes().encode("ab\udc80")


def test_transformers_reads_what_is_saved(tmp_path: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    coder = Bytes()
    coder.save(tmp_path)
    theirs = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    text = "".join(map(chr, range(0x250))) + " \n\t 文字 🙂 їжак"
    assert theirs(text).input_ids == coder.encode(text)
    assert theirs.convert_ids_to_tokens(range(256)) == [coder.piece(id) for id in range(256)]
    assert coder.roles == {"pad": theirs.pad_token_id, "eos": theirs.eos_token_id}


def test_further_special_tokens_come_after_the_bytes(tmp_path: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    coder = Bytes({"mask": "<mask>", "cls": "<mask>>", "sep": "<mask>"})
    assert (coder.vocab_size, coder.roles) == (258, {"pad": 0, "eos": 0, "mask": 256, "cls": 257, "sep": 256})
    coder.save(tmp_path)
    theirs = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    for text in ("a<mask>>їжак<mask>", "<mask><mask>>>", "<mas"):
        ids = coder.encode(text)
        assert theirs(text).input_ids == ids
        assert theirs.decode(ids) == coder.decode(ids) == text
    assert [coder.piece(id) for id in (256, 257)] == ["<mask>", "<mask>>"]
    assert coder.digest != Bytes().digest
