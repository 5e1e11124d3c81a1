"""Texts that are being written."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from blocks_generate.characters import Characters
from blocks_generate.options import Options
from blocks_generate.pieces import Piece
from blocks_generate.stops import Stops

Decode: TypeAlias = Callable[[Sequence[int]], str]


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a text begins with.

    number  of the prompt, as it was given
    ids     what is continued: those of the prompt; of an encoder-decoder the one that its targets begin with
    source  what an encoder reads; empty without one
    repeat  prompts before this one with the same ids, so that its samples are others
    """

    number: int
    ids: tuple[int, ...]
    source: tuple[int, ...] = ()
    repeat: int = 0


@dataclass(slots=True)
class Text:
    """A prompt, what was written after it, and which of its ids the model's state stands for: from `begin` on."""

    prompt: Prompt
    sample: int
    characters: Characters
    stops: Stops
    written: list[int] = field(default_factory=list)
    begin: int = 0

    @classmethod
    def start(cls, prompt: Prompt, sample: int, decode: Decode, stop: Sequence[str]) -> Text:
        """A text of which nothing is written."""
        return cls(prompt, sample, Characters(decode, prompt.ids), Stops(stop))

    def copy(self) -> Text:
        """The same text, which can go on in another way."""
        characters, stops = copy.copy(self.characters), copy.copy(self.stops)
        characters.ids = list(characters.ids)
        return replace(self, characters=characters, stops=stops, written=list(self.written))

    @property
    def context(self) -> list[int]:
        """The ids that the state stands for, or will once the last one is read."""
        return [*self.prompt.ids, *self.written][self.begin :]

    @property
    def length(self) -> int:
        """Their number."""
        return len(self.prompt.ids) + len(self.written) - self.begin

    def slide(self, reach: int) -> bool:
        """Go on with the last half of `reach` tokens, where there are more; whether there are."""
        if self.length <= reach:
            return False
        self.begin += self.length - max(1, reach // 2)
        return True

    def take(self, id: int, options: Options, eos: frozenset[int]) -> Piece:
        """Write one more token; its piece has a reason if the text ends here."""
        if id in eos:
            return self._end("eos", ())
        self.written.append(id)
        shown = self.stops.feed(self.characters.feed(id))
        if not self.stops.found and len(self.written) < options.max_new_tokens:
            return Piece(self.prompt.number, self.sample, (id,), shown)
        return self._end("length", (id,), shown)

    def _end(self, reason: str, tokens: tuple[int, ...], shown: str = "") -> Piece:
        shown += self.stops.feed(self.characters.close())
        shown += self.stops.close()
        if self.stops.found:
            reason = "stop"
        return Piece(self.prompt.number, self.sample, tokens, shown, reason)
