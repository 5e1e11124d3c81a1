"""A text with its tokens marked: by colour in a terminal, by strokes elsewhere."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

from blocks import Coder

_COLORS = ("48;5;153", "48;5;222", "48;5;157", "48;5;218", "48;5;189", "48;5;223")
_SPECIAL = "48;5;203"
STROKE = "│"
_SHOWN = {"\n": "⏎", "\t": "⇥", " ": "·"}
LONGEST = 8
"""Tokens that together stand for characters, where none does so alone."""


def visible(text: str, *, spaces: bool = True) -> str:
    """The text with whitespace and what cannot be printed made visible, on one line."""
    return "".join(_letter(letter, spaces=spaces) for letter in text)


def _letter(letter: str, *, spaces: bool) -> str:
    if letter == " ":
        return "·" if spaces else " "
    if letter in _SHOWN:
        return _SHOWN[letter]
    if letter.isprintable() and not unicodedata.combining(letter):
        return letter
    if unicodedata.combining(letter):
        return f"\N{DOTTED CIRCLE}{letter}"
    return f"\\u{ord(letter):04x}" if ord(letter) < 0x10000 else f"\\U{ord(letter):08x}"


def parts(coder: Coder, ids: Sequence[int]) -> Iterator[tuple[list[int], str]]:
    """The ids of each piece with its text; several ids where characters take more than one."""
    at = 0
    while at < len(ids):
        end = at + 1
        text = coder.decode(ids[at:end])
        if "\ufffd" in text:
            for more in range(at + 2, min(at + LONGEST, len(ids)) + 1):
                longer = coder.decode(ids[at:more])
                if "\ufffd" not in longer:
                    end, text = more, longer
                    break
        yield list(ids[at:end]), text
        at = end


def marked(coder: Coder, ids: Sequence[int], *, color: bool) -> str:
    """The text of ids, in which neighbours can be told apart; a raised number where several are one character."""
    special, shown = set(coder.roles.values()), []
    for number, (some, text) in enumerate(parts(coder, ids)):
        known = text if "\ufffd" not in text else coder.piece(some[0])
        piece = visible(known) + ("⁰¹²³⁴⁵⁶⁷⁸⁹"[len(some)] if len(some) > 1 else "")
        if color:
            code = _SPECIAL if some[0] in special else _COLORS[number % len(_COLORS)]
            piece = f"\x1b[38;5;16;{code}m{piece}\x1b[0m"
        shown.append(piece + ("\n" if text.endswith("\n") else ""))
    if color:
        return "".join(shown).rstrip("\n")
    lines = STROKE.join(shown).replace(f"\n{STROKE}", "\n")
    return lines.rstrip("\n")
