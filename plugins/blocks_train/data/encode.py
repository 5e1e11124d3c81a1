"""Text to token ids, many documents at a time; a long document in chunks, as if it had been encoded at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from blocks import Coder
from blocks_train.data.text import Part

CHUNK = 1 << 16
"""Characters of a document that are encoded at once, if there is a seam to cut at."""
LONGEST = 1 << 22
"""Characters after which a document is cut, seam or not."""
AROUND = 256
"""Characters on either side of a seam that it is tried on."""
_TRIES = 16


@dataclass(frozen=True, slots=True)
class Chunk:
    """Text to encode after a context, whose tokens are left out of the result. `ends`: the document ends with it."""

    context: str
    text: str
    ends: bool


class Chunks:
    """Cuts the parts of documents into chunks.

    A seam is a place where the tokens before it are those of the text before it, whatever follows. There a tokenizer
    can go on as long as it is shown some of what stood before, so that it does not take the chunk for the beginning of
    a text. Every seam is tried with the tokenizer itself: after a line, else beside a space, the last one first.
    """

    def __init__(self, coder: Coder) -> None:
        self._coder = coder
        self._text = ""
        self._context = ""

    def feed(self, part: Part) -> Iterator[Chunk]:
        """The chunks that are whole once this part has come."""
        text, ends = part
        self._text += text
        start, sought = 0, CHUNK
        while len(self._text) - start > sought:
            cut = self._seam(start, start + sought)
            if cut is None and sought < LONGEST:
                sought *= 2
                continue
            end = start + sought if cut is None else cut
            yield Chunk(self._context, self._text[start:end], False)
            self._context = "" if cut is None else self._before(end)
            start, sought = end, CHUNK
        self._text = self._text[start:]
        if ends:
            yield Chunk(self._context, self._text, True)
            self._text = self._context = ""

    def _seam(self, start: int, end: int) -> int | None:
        return next((place for place in self._places(start, end) if self._holds(place)), None)

    def _places(self, start: int, end: int) -> Iterator[int]:
        """Where a seam may be, the likeliest first."""
        for after, mark in ((1, "\n"), (0, " "), (1, " ")):
            place = end - 1
            for _ in range(_TRIES):
                place = self._text.rfind(mark, start + 1, place)
                if place < 0:
                    break
                if not self._text[place + 1].isspace():
                    yield place + after

    def _before(self, place: int) -> str:
        return self._text[max(0, place - AROUND) : place]

    def _holds(self, place: int) -> bool:
        before = self._before(place)
        alone, both = self._coder.encode_batch([before, before + self._text[place : place + AROUND]])
        return both[: len(alone)] == alone


def encode(chunks: Iterable[Chunk], coder: Coder) -> list[list[int]]:
    """The token ids of chunks, of their text alone."""
    chunks = list(chunks)
    later = [chunk for chunk in chunks if chunk.context]
    texts = [chunk.context + chunk.text for chunk in chunks]
    found = coder.encode_batch([*texts, *(chunk.context for chunk in later)])
    contexts = iter(found[len(texts) :])
    return [
        ids[len(next(contexts)) :] if chunk.context else ids
        for chunk, ids in zip(chunks, found, strict=False)
    ]
