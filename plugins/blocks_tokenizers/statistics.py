"""What a vocabulary does to a text, in figures by which a person can choose its size.

Fertility is the number of tokens a word, a word being what stands between whitespace (Rust et al. 2021,
arXiv:2012.15613, section 3.2).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from blocks import BuildError, Coder

SAMPLES = {
    "English": "All human beings are born free and equal in dignity and rights. They are endowed with reason and "
    "conscience and should act towards one another in a spirit of brotherhood.",
    "Ukrainian": "Усі люди народжуються вільними і рівними у своїй гідності та правах. Вони наділені розумом і совістю "
    "і повинні діяти у відношенні один до одного в дусі братерства.",
    "Russian": "Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и совестью "
    "и должны поступать в отношении друг друга в духе братства.",
}
"""Article 1 of the Universal Declaration of Human Rights."""
RARE = 10
"""Fewer uses than this teach a row of the embedding little."""


@dataclass
class Figures:
    """Counts of one text, or of several together."""

    characters: int = 0
    bytes: int = 0
    words: int = 0
    tokens: int = 0
    unknown: int = 0
    kept: bool = True
    uses: Counter[int] = field(default_factory=Counter)

    def add(self, text: str, ids: list[int], coder: Coder) -> None:
        """Count a text and its ids."""
        unknown = coder.roles.get("unk")
        self.characters += len(text)
        self.bytes += len(text.encode())
        self.words += len(text.split())
        self.tokens += len(ids)
        self.unknown += sum(id == unknown for id in ids)
        self.kept = self.kept and coder.decode(ids) == text
        self.uses.update(ids)

    def __iadd__(self, other: Figures) -> Figures:
        for name in ("characters", "bytes", "words", "tokens", "unknown"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.kept = self.kept and other.kept
        self.uses.update(other.uses)
        return self

    def as_json(self) -> dict[str, Any]:
        """The counts, and what follows from them; None where there is nothing to divide by."""
        return {
            "characters": self.characters,
            "bytes": self.bytes,
            "words": self.words,
            "tokens": self.tokens,
            "fertility": _ratio(self.tokens, self.words),
            "bytes_per_token": _ratio(self.bytes, self.tokens),
            "characters_per_token": _ratio(self.characters, self.tokens),
            "unknown": self.unknown,
            "round_trip": self.kept,
        }


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def figures(texts: Iterable[str], coder: Coder) -> Figures:
    """The figures of some texts together."""
    found = Figures()
    for text in texts:
        found.add(text, coder.encode(text), coder)
    return found


@dataclass(frozen=True)
class Token:
    """One token: its id, how the vocabulary spells it, the text that it alone stands for, and its uses."""

    id: int
    piece: str
    text: str
    count: int

    def as_json(self) -> dict[str, Any]:
        """The machine-readable form."""
        return {"id": self.id, "piece": self.piece, "text": self.text, "count": self.count}


def tokens(coder: Coder, uses: Counter[int]) -> list[Token]:
    """Every token but the special ones, in the order of their ids."""
    special = set(coder.roles.values())
    return [
        Token(id, piece, coder.decode([id]), uses[id]) for id, piece in _known(coder) if id not in special
    ]


def _known(coder: Coder) -> Iterator[tuple[int, str]]:
    for id in range(coder.vocab_size):
        try:
            yield id, coder.piece(id)
        except BuildError:  # a vocabulary may leave out numbers
            continue


def longest(known: list[Token], count: int) -> list[Token]:
    """Those with the most characters, the first ids first."""
    return sorted(known, key=lambda token: (-len(token.text), token.id))[:count]


def rarest(known: list[Token], count: int) -> list[Token]:
    """Those that are used, but the least often; of several the last ids, which were learnt last."""
    used = [token for token in known if token.count]
    return sorted(used, key=lambda token: (token.count, -token.id))[:count]


def usage(known: list[Token]) -> dict[str, int]:
    """How many ids are used, and how many too seldom to be learnt well."""
    return {
        "ids": len(known),
        "used": sum(token.count > 0 for token in known),
        "seldom": sum(0 < token.count < RARE for token in known),
    }
