"""From token ids to text, a token at a time, never half a character."""

from __future__ import annotations

from collections.abc import Callable, Sequence

CONTEXT = 8
"""Tokens of the prompt that are decoded with the first ones after it, whose spaces depend on what stands before."""


class Characters:
    """The text of ids as they come. An id may hold a part of a character: nothing is said until it is whole.

    Decoding ends in U+FFFD where bytes are missing, so a text that does waits for more. What was said stays said: the
    last ids that are known to be whole are decoded again with the new ones, and what is longer is new. `before` are ids
    of the prompt, whole characters.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], before: Sequence[int] = ()) -> None:
        self.decode = decode
        self.ids = list(before[-CONTEXT:])
        self.known = len(self.ids)
        """Ids whose text has been said, or stands in the prompt."""
        self.said = self.decode(self.ids)

    def feed(self, id: int) -> str:
        """Take one more id; returns the characters that are whole now."""
        self.ids.append(id)
        text = self.decode(self.ids)
        if len(text) <= len(self.said) or text.endswith("\ufffd"):
            return ""
        return self._say(text)

    def close(self) -> str:
        """The rest, however it ends."""
        return self._say(self.decode(self.ids))

    def _say(self, text: str) -> str:
        new = text[len(self.said) :]
        self.ids = self.ids[self.known :] if self.known < len(self.ids) else self.ids
        self.known = len(self.ids)
        self.said = self.decode(self.ids)
        return new
