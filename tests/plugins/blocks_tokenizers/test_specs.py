"""Bytes in, bytes out."""

from hypothesis import given
from hypothesis import strategies as st

from blocks_tokenizers.specs import Byte


@given(st.text())
def test_text_survives(text: str) -> None:
    text = text.encode("utf-8", "ignore").decode()
    ids = Byte().encode(text)
    assert all(0 <= i < Byte.vocab_size for i in ids)
    assert Byte().decode(ids) == text


def test_ids_that_are_no_text_are_marked() -> None:
    assert Byte().decode([0xFF, 65]) == "\ufffdA"
