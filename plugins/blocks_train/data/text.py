"""Documents of a text, read in parts, so that one of any length fits in memory."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO, TypeAlias

from blocks.diagnostics import Diagnostic, Problems, Span

Part: TypeAlias = tuple[str, bool]
"""Some text of a document, and whether the document ends with it."""

BLOCK = 1 << 20
"""Bytes that are read at once; a document may come in parts of about this many characters."""
_NAMED = {"lines": r"\r?\n", "paragraphs": r"\r?\n(?:[ \t]*\r?\n)+"}


def documents(
    stream: BinaryIO, name: str, split: str | None, problems: Problems, *, blank: bool = False
) -> Iterator[Part]:
    """The documents of a text, in parts; blank ones are left out, unless `blank`.

    `split` is what stands between two documents: None for a text that is one, `lines`, `paragraphs` (one or more blank
    lines), or any other text, such as `<|endoftext|>`. What stands between belongs to neither.
    """
    begun = False
    for text, ends in _split(decoded(stream, name, problems), split):
        if begun or blank or not ends or text.strip():
            yield text, ends
            begun = not ends


def _split(blocks: Iterable[str], split: str | None) -> Iterator[Part]:
    between = re.compile(_NAMED.get(split) or re.escape(split)) if split else None
    hold = len(split) - 1 if split and split not in _NAMED else 0
    text, begun = "", False
    for block in blocks:
        text += block
        start = 0
        for found in between.finditer(text) if between else ():
            if split == "paragraphs" and found.end() == len(text):  # more blank lines may follow
                break
            yield text[start : found.start()], True
            start, begun = found.end(), False
        text = text[start:]
        safe = min(len(text) - hold, len(text.rstrip())) if between else len(text)
        if len(text) > BLOCK and safe > 0:
            yield text[:safe], False
            text, begun = text[safe:], True
    start = 0
    for found in between.finditer(text) if between else ():
        yield text[start : found.start()], True
        start, begun = found.end(), False
    if begun or start < len(text):
        yield text[start:], True


def decoded(stream: BinaryIO, name: str, problems: Problems) -> Iterator[str]:
    """The text of a UTF-8 stream in blocks, without a byte order mark; where it is none, a problem ends it."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset, line, column = 0, 1, 1  # where the next character stands; the offset in bytes, from 0
    block = stream.read(BLOCK)
    if block.startswith(codecs.BOM_UTF8):
        block = block[len(codecs.BOM_UTF8) :] or stream.read(BLOCK)
        offset = len(codecs.BOM_UTF8)
    while True:
        whole = decoder.getstate()[0] + block
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            line, column = _after(whole[: error.start].decode("utf-8"), line, column)
            problems.extend([not_utf8(name, line, column, offset + error.start, whole[error.start])])
            return
        if text:
            yield text
        if not block:
            return
        line, column = _after(text, line, column)
        offset += len(whole) - len(decoder.getstate()[0])
        block = stream.read(BLOCK)


def _after(text: str, line: int, column: int) -> tuple[int, int]:
    """The line and column after some text that began at these."""
    last = text.rfind("\n")
    return line + text.count("\n"), len(text) - last if last >= 0 else column + len(text)


def not_utf8(name: str, line: int, column: int, offset: int, byte: int) -> Diagnostic:
    """What is said of a byte that is not UTF-8; `offset` counts from 0, line and column from 1."""
    message = f"not UTF-8 text: byte {offset} of it is 0x{byte:02X}"
    help = "convert it: iconv -f LATIN1 -t UTF-8 old.txt > new.txt"
    return Diagnostic("B1402", message, name, Span(line, column, column + 1), help=help)
