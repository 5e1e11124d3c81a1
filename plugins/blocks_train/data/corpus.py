"""Tokenised text: the ids of all documents, one after the other, and where each of them ends."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blocks import BuildError, Coder

Int64 = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Corpus:
    """N documents as token ids, mapped into memory from a file and read as they are used.

    tokens  uint16 or uint32 [M]
    bounds  int64 [N + 1]: document i is tokens[bounds[i]:bounds[i + 1]]
    sizes   int64 [N], bytes of each document's text in UTF-8
    marks   int64 [K, 2], where long documents were cut to be encoded: a token, and the bytes of all text before it
    digest  of the text, the tokenizer and how documents were told apart
    """

    tokens: NDArray[Any]
    bounds: Int64
    sizes: Int64
    marks: Int64
    coder: Coder
    digest: str

    def __len__(self) -> int:
        return len(self.bounds) - 1

    @property
    def bytes(self) -> int:
        """UTF-8 bytes of the text that the tokens stand for: what bits per byte are counted on."""
        return int(self.sizes.sum())

    def document(self, index: int) -> NDArray[Any]:
        """The tokens of one document."""
        return self.tokens[self.bounds[index] : self.bounds[index + 1]]

    def split(self, share: float) -> tuple[Corpus, Corpus | None]:
        """What comes first, to train on, and a share at the end, to measure by; None where the share is 0.

        Of N documents the first floor((1 - share) N) are trained on, in exact decimal arithmetic. A single document is
        cut at its token floor((1 - share) M) in the same way: nanoGPT's split, where tokens are characters. Raises
        BuildError where a side would be empty.
        """
        if not share:
            return self, None
        whole = len(self.tokens) if len(self) == 1 else len(self)
        first = math.floor((1 - Fraction(str(share))) * whole)
        if not 0 < first < whole:
            raise too_small(share, whole, "tokens" if len(self) == 1 else "documents", first)
        if len(self) == 1:
            return self._cut(0, first), self._cut(first, whole)
        return self._documents(0, first), self._documents(first, whole)

    def _documents(self, start: int, end: int) -> Corpus:
        first, last = int(self.bounds[start]), int(self.bounds[end])
        return replace(
            self,
            tokens=self.tokens[first:last],
            bounds=self.bounds[start : end + 1] - first,
            sizes=self.sizes[start:end],
            marks=self._marks(first, last, int(self.sizes[:start].sum())),
            digest=f"{self.digest}[{start}:{end}]",
        )

    def _cut(self, first: int, last: int) -> Corpus:
        """Tokens `first` to `last` of the only document."""
        before = self._bytes_before(first)
        return replace(
            self,
            tokens=self.tokens[first:last],
            bounds=np.array([0, last - first]),
            sizes=np.array([self._bytes_before(last) - before]),
            marks=self._marks(first, last, before),
            digest=f"{self.digest}[.{first}:{last}]",
        )

    def _marks(self, first: int, last: int, before: int) -> Int64:
        inside = (self.marks[:, 0] > first) & (self.marks[:, 0] < last)
        marks: Int64 = self.marks[inside] - np.array([first, before])
        return marks

    def _bytes_before(self, token: int) -> int:
        """Bytes of the text before a token of the only document; a character that it cuts counts to what follows.

        Known at the marks. Between two of them the tokens are decoded; where a tokenizer does not give its text back
        to the letter, their bytes are counted in proportion.
        """
        points = np.concatenate([[[0, 0]], self.marks, [[len(self.tokens), self.bytes]]])
        place = int(np.searchsorted(points[:, 0], token, side="right")) - 1
        if place == len(points) - 1:
            return self.bytes
        (start, before), (end, after) = points[place].tolist(), points[place + 1].tolist()
        whole, part = self._text(start, end), self._text(start, token)
        same = _same(whole, part)
        share = Fraction(len(whole[:same].encode()), max(1, len(whole.encode())))
        return int(before + round(share * (after - before)))

    def _text(self, start: int, end: int) -> str:
        """The text of some tokens, without those that were put after documents."""
        after = self.coder.roles.get("eos")
        return self.coder.decode([token for token in self.tokens[start:end].tolist() if token != after])


def too_small(share: float, whole: int, what: str, first: int) -> BuildError:
    """What is said of data of which a share cannot be kept apart."""
    lacking = "train on" if first <= 0 else "measure by"
    return BuildError.of(
        "B1407",
        f"a share of {share} of {whole} {what} leaves nothing to {lacking}",
        help="another share (`train.validation`), 0 for none, or more data",
    )


def _same(a: str, b: str) -> int:
    """How many characters two texts begin alike with."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[:middle] == b[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
