"""Texts on the terminal, in order, each as it is written when its turn has come."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TextIO

from blocks_generate.pieces import Piece


class Printer:
    """Shows pieces of several texts one text after the other; those of later texts wait.

    On a terminal control characters, which could do anything to it, are spelled out; to a file everything goes as it
    is. Several texts have a line above each that says which one it is.
    """

    def __init__(
        self, stream: TextIO, prompts: Sequence[str], samples: int, *, echo: bool = False, color: bool = False
    ) -> None:
        self.stream, self.prompts, self.samples = stream, prompts, samples
        self.echo, self.color = echo, color
        self.is_terminal = stream.isatty()
        self.waiting: dict[tuple[int, int], list[Piece]] = {}
        self.turn: tuple[int, int] = (0, 0)
        self.is_begun = False

    def add(self, piece: Piece) -> None:
        """Show a piece, or keep it until the texts before its own have ended."""
        self.waiting.setdefault((piece.prompt, piece.sample), []).append(piece)
        while self.waiting.get(self.turn):
            for one in self.waiting.pop(self.turn):
                self._show(one)

    def close(self) -> None:
        """Nothing more comes: show what still waits, and end a line that was begun."""
        for key in sorted(self.waiting):
            self._break()
            self.turn = key
            for piece in self.waiting.pop(key):
                self._show(piece)
        self._break()
        self.stream.flush()

    def _break(self) -> None:
        if self.is_begun:
            self._write("\n")
        self.is_begun = False

    def _show(self, piece: Piece) -> None:
        if not self.is_begun:
            self._begin()
        self._write(piece.text)
        if piece.reason is not None:
            self._break()
            prompt, sample = self.turn
            self.turn = (prompt, sample + 1) if sample + 1 < self.samples else (prompt + 1, 0)
        self.stream.flush()

    def _begin(self) -> None:
        prompt, sample = self.turn
        self.is_begun = True
        if len(self.prompts) * self.samples > 1:
            names = [f"prompt {prompt + 1}"] * (len(self.prompts) > 1)
            names += [f"sample {sample + 1}"] * (self.samples > 1)
            self._write(f"--- {', '.join(names)}\n", "2")
        if self.echo:
            self._write(self.prompts[prompt], "1")

    def _write(self, text: str, style: str = "") -> None:
        shown = "".join(map(_visible, text)) if self.is_terminal else text
        encoding = self.stream.encoding or "utf-8"
        shown = shown.encode(encoding, "backslashreplace").decode(encoding)
        self.stream.write(f"\x1b[{style}m{shown}\x1b[0m" if style and self.color else shown)


def _visible(char: str) -> str:
    """The character, or its code where it would move the cursor, change colours or turn the writing round."""
    kind = unicodedata.category(char)
    if char in "\n\t" or (kind[0] != "C" and kind not in ("Zl", "Zp")):
        return char
    return repr(char)[1:-1]
