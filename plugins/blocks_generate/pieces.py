"""What generation gives: pieces of texts as they come, and whole texts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Piece:
    """What a text has grown by.

    prompt  number of the prompt, from 0 on
    sample  number of the text among those of its prompt, from 0 on; of beams the best is 0
    tokens  their ids
    text    whole characters that can be shown; what may become a stop string, or a character, comes later
    reason  on the last piece of a text why it ends: eos, stop or length
    score   of a text that beams found: its log-probability over the length penalty
    """

    prompt: int
    sample: int
    tokens: tuple[int, ...]
    text: str
    reason: str | None = None
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole text; `tokens` include those of a stop string, and of what ended it no eos."""

    prompt: int
    sample: int
    tokens: tuple[int, ...]
    text: str
    reason: str
    score: float | None = None


def complete(pieces: Iterable[Piece]) -> list[Completion]:
    """The whole texts of an iterator of pieces, by prompt and sample."""
    parts: dict[tuple[int, int], list[Piece]] = {}
    for piece in pieces:
        parts.setdefault((piece.prompt, piece.sample), []).append(piece)
    return [
        Completion(
            prompt,
            sample,
            tuple(token for piece in found for token in piece.tokens),
            "".join(piece.text for piece in found),
            found[-1].reason or "",
            found[-1].score,
        )
        for (prompt, sample), found in sorted(parts.items())
    ]
