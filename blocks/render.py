"""Drawing findings above their source lines, as compilers do; text from a stranger is drawn harmlessly.

Control and bidirectional characters are escaped, long lines are clipped around the caret.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from blocks.diagnostics import Diagnostic, Span, split_lines

_WINDOW = 300  # characters of a source line that are shown at most
_TEXT_LIMIT = 1000  # characters of a message, label or help that are shown at most


def render(
    diagnostics: Iterable[Diagnostic],
    sources: Mapping[str, str],
    *,
    color: bool = False,
    width: int | None = None,
) -> str:
    """Draw findings above their source lines, separated by blank lines, without a final newline.

    `width` is the terminal's; by default lines are shown up to 300 characters, longer ones are clipped around
    the caret. Findings without a place, or in a file without a text in `sources`, show what they have.
    """
    paint = _paint if color else _no_paint
    lines = {file: split_lines(text) for file, text in sources.items()}
    return "\n\n".join("\n".join(_draw(d, lines, paint, width)) for d in diagnostics)


_STYLES = {"error": "1;31", "bold": "1", "frame": "1;34", "help": "1;36"}


def _paint(text: str, style: str) -> str:
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if text else ""


def _no_paint(text: str, style: str) -> str:
    return text


_Mark: TypeAlias = tuple[Span, str, str]
"""A place, the sign that underlines it, and the text after that."""


def _draw(
    d: Diagnostic, lines: Mapping[str, list[str]], paint: Callable[[str, str], str], width: int | None
) -> Iterator[str]:
    yield paint(f"error[{d.code}]", "error") + paint(": " + plain(d.message), "bold")
    marks: list[_Mark] = [(label.span, "-", label.text) for label in d.notes]
    if d.span is not None:
        marks.append((d.span, "^", d.label))
    digits = max((len(str(span.line)) for span, _, _ in marks), default=1)
    indent = " " * (digits + 1)
    window = _WINDOW if width is None else max(20, min(_WINDOW, width - digits - 3))
    if d.file is not None or d.span is not None:
        yield indent + paint("-->", "frame") + f" {_place(d.file, d.span)}"
    own = [mark for mark in marks if mark[0].file is None]
    yield from _excerpts(own, lines.get(d.file or "", []), paint, digits, window)
    for file in dict.fromkeys(mark[0].file for mark in marks if mark[0].file is not None):
        there = [mark for mark in marks if mark[0].file == file]
        yield indent + paint(":::", "frame") + f" {_place(file, there[0][0])}"
        yield from _excerpts(there, lines.get(file, []), paint, digits, window)
    if d.help:
        first, *rest = d.help.split("\n")
        yield indent + paint("= ", "frame") + paint("help", "help") + f": {plain(first)}"
        for more in rest:
            yield indent + " " * 8 + plain(more)


def _place(file: str | None, span: Span | None) -> str:
    name = plain(file if file is not None else "<text>")
    return name + (f":{span.line}:{span.column}" if span else "")


def _excerpts(
    marks: Sequence[_Mark], lines: list[str], paint: Callable[[str, str], str], digits: int, window: int
) -> Iterator[str]:
    """The lines of one file that have marks, each with its underlines."""
    bar = paint(" " * (digits + 1) + "|", "frame")
    for number in sorted({span.line for span, _, _ in marks}) if lines else ():
        line = lines[number - 1] if 0 < number <= len(lines) else ""
        here = [mark for mark in marks if mark[0].line == number]
        here.sort(key=lambda mark: (mark[1] != "^", mark[0].column))
        head = paint(f"{number:>{digits}} |", "frame")
        previous = None
        for span, sign, text in here:
            shown, start, length = _excerpt(line, span, window)
            if shown != previous:
                yield (head + " " + shown).rstrip()
                previous = shown
            style = "error" if sign == "^" else "frame"
            yield bar + " " * (start + 1) + paint((sign * length + " " + plain(text)).rstrip(), style)


def _excerpt(line: str, span: Span, window: int) -> tuple[str, int, int]:
    """Return the part of the line to show, and the cell where the underline starts, and its length."""
    column = min(max(span.column - 1, 0), len(line))
    end = min(max(span.end_column - 1, column), len(line))
    if len(line) <= window:
        cells = list(_cells(line))
        if sum(width for _, width in cells) <= window:
            start = sum(width for _, width in cells[:column])
            return "".join(text for text, _ in cells), start, max(1, sum(w for _, w in cells[column:end]))
    room = window - 6
    before, used = column, 0
    left = list(_cells(line[max(0, column - room) : column]))
    while left and used + left[-1][1] <= room // 2:
        used += left.pop()[1]
        before -= 1
    after, length, start = column, 0, used + 3 * (before > 0)
    shown = ["..."] if before > 0 else []
    shown += [text for text, _ in _cells(line[before:column])]
    for text, width in _cells(line[column : column + room]):
        if used + width > room:
            break
        shown.append(text)
        used += width
        length += width if after < end else 0
        after += 1
    if after < len(line):
        shown.append("...")
    return "".join(shown), start, max(1, length)


def plain(text: str) -> str:
    """Return text that is safe on a terminal: one line, no control or bidirectional characters, bounded."""
    clipped = text if len(text) <= _TEXT_LIMIT else text[:_TEXT_LIMIT] + "..."
    if clipped.isascii() and clipped.isprintable():
        return clipped
    return "".join(shown for shown, _ in _cells(clipped, tab="\\t"))


def _cells(line: str, tab: str = "    ") -> Iterator[tuple[str, int]]:
    """Yield what to print for each character, and how many terminal cells that takes."""
    combining = 0
    for char in line:
        if " " <= char <= "~":
            combining = 0
            yield char, 1
            continue
        if char == "\t":
            combining = 0
            yield tab, len(tab)
            continue
        category = unicodedata.category(char)
        if category in ("Mn", "Me"):
            combining += 1
            if combining <= 2:
                yield char, 0
                continue
        else:
            combining = 0
        if category[0] == "C" or category in ("Zl", "Zp", "Mn", "Me"):
            code = ord(char)
            if char in "\r\n":
                text = {"\r": "\\r", "\n": "\\n"}[char]
            else:
                text = (
                    f"\\x{code:02x}"
                    if code < 0x100
                    else f"\\u{code:04x}"
                    if code < 0x10000
                    else f"\\U{code:08x}"
                )
            yield text, len(text)
        else:
            yield char, 2 if unicodedata.east_asian_width(char) in "WF" else 1
