"""Documents of a text: the same whatever the size of what is read at once, and what is not UTF-8 is placed."""

import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.diagnostics import Problems
from blocks_train.data import text as module
from blocks_train.data.text import documents

ALPHABET = st.text(st.sampled_from("ab é\n\r\t 🙂<|>"), max_size=60)


def read(content: bytes, split: str | None = None, *, blank: bool = False) -> tuple[list[str], Problems]:
    problems = Problems()
    found, parts = [], []
    for text, ends in documents(io.BytesIO(content), "x.txt", split, problems, blank=blank):
        parts.append(text)
        if ends:
            found.append("".join(parts))
            parts = []
    assert parts == []
    return found, problems


def at_once(text: str, split: str | None) -> list[str]:
    between = {"lines": r"\r?\n", "paragraphs": r"\r?\n(?:[ \t]*\r?\n)+", None: "(?!)"}
    parts = re.split(between[split] if split in between else re.escape(split), text)
    return [part for part in parts if part.strip()]


@settings(deadline=None, max_examples=300)
@given(
    text=ALPHABET,
    split=st.sampled_from([None, "lines", "paragraphs", "<|>", "ab", "aa"]),
    size=st.integers(1, 9),
)
def test_documents_do_not_depend_on_what_is_read_at_once(text, split, size):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", size)
        found, problems = read(text.encode(), split)
    assert not problems
    assert [document for document in found if document.strip()] == at_once(text, split)


def test_what_separates():
    text = "one\n\n \t\r\ntwo\nlines\r\n\r\nthree"
    assert read(text.encode())[0] == [text]
    assert read(text.encode(), "paragraphs")[0] == ["one", "two\nlines", "three"]
    assert read(text.encode(), "lines")[0] == ["one", "two", "lines", "three"]
    assert read(b"a<|endoftext|>b<|endoftext|>", "<|endoftext|>")[0] == ["a", "b"]


def test_blank_documents_are_kept_where_lines_are_counted():
    assert read(b"a\n\nb\n", "lines", blank=True)[0] == ["a", "", "b"]
    assert read(b"a\n\nb", "lines", blank=True)[0] == ["a", "", "b"]
    assert read(b"", "lines", blank=True)[0] == []


@pytest.mark.parametrize("content", [b"", b" \n\n", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("split", [None, "lines", "paragraphs", "x"])
def test_blanks_are_no_documents(content, split):
    assert read(content, split)[0] == []


def test_a_byte_order_mark_is_no_text_and_line_breaks_are_kept():
    assert read(b"\xef\xbb\xbfa\r\nb")[0] == ["a\r\nb"]


@settings(deadline=None, max_examples=200)
@given(
    before=ALPHABET,
    bad=st.sampled_from([b"\xff", b"\xe9a", b"\xc3", b"\xed\xa0\x80"]),
    size=st.integers(1, 9),
)
def test_what_is_not_utf8_is_placed(before, bad, size):
    content = before.encode() + bad + b" and more"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", max(size, 3))
        _, problems = read(content)
    (found,) = problems.diagnostics
    offset = len(before.encode())
    assert found.code == "B1402"
    assert found.message == f"not UTF-8 text: byte {offset} of it is 0x{bad[0]:02X}"
    assert found.file == "x.txt"
    assert found.span is not None
    assert found.span.line == before.count("\n") + 1
    assert found.span.column == len(before.rpartition("\n")[2]) + 1


def test_a_character_that_is_cut_short_at_the_end_is_placed():
    _, problems = read("aé".encode()[:-1])
    assert [d.message for d in problems.diagnostics] == ["not UTF-8 text: byte 1 of it is 0xC3"]


def test_a_long_document_comes_in_parts(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 1000)
    for split in (None, "lines", "<|endoftext|>"):
        parts = list(documents(io.BytesIO(b"word " * 10_000), "x", split, Problems()))
        assert max(len(text) for text, _ in parts) <= 2100
        assert "".join(text for text, _ in parts) == "word " * 10_000
        assert [ends for _, ends in parts].count(True) == 1
