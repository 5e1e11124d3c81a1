"""Stop strings: found wherever token boundaries fall, and never shown, not even in part."""

from __future__ import annotations

from collections.abc import Sequence


class Stops:
    """Text passes through; what may be the start of a stop string waits until it is known whether it is."""

    def __init__(self, strings: Sequence[str]) -> None:
        self.strings = tuple(strings)
        self.held = ""
        self.found = False

    def feed(self, text: str) -> str:
        """Take more text; returns what is no part of a stop string. Once one is `found`, nothing more comes."""
        if self.found:
            return ""
        self.held += text
        ends = [(at + len(s), at) for s in self.strings if (at := self.held.find(s)) >= 0]
        if ends:  # the one that is whole first, as it would be if the text came by characters
            self.found = True
            free, self.held = self.held[: min(ends)[1]], ""
            return free
        keep = max((self._overlap(string) for string in self.strings), default=0)
        free, self.held = self.held[: len(self.held) - keep], self.held[len(self.held) - keep :]
        return free

    def close(self) -> str:
        """What was held, where the text ends otherwise."""
        free, self.held = self.held, ""
        return free

    def _overlap(self, string: str) -> int:
        """Characters at the end of what is held that `string` begins with."""
        longest = min(len(self.held), len(string) - 1)
        return next((n for n in range(longest, 0, -1) if self.held.endswith(string[:n])), 0)
