"""Errors for people: what is wrong, where, what was expected, and what to do about it.

    BlocksError              anything that this project refuses; carries diagnostics
    ├── RecipeError          the recipe is wrong                          exit code 1
    ├── PluginError          a plugin is missing, broken or ambiguous     exit code 1
    ├── BuildError           a build, a folder or a file is wrong         exit code 1
    └── UsageError           the command line is wrong                    exit code 2

A `Diagnostic` is one finding; `Problems` collects them, so that a reader sees every mistake at once; `render`
draws them above their source lines. Text that came from a stranger is drawn harmlessly: control and
bidirectional characters are escaped, long lines are clipped around the caret.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar, Self

MAX_PROBLEMS = 100
_WINDOW = 300  # characters of a source line that are shown at most
_TEXT_LIMIT = 1000  # characters of a message, label or help that are shown at most
_LINE_BREAK = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `column` to `end_column` (exclusive) of one line; lines and columns count from 1."""

    line: int
    column: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Label:
    """A second place that explains the first one, underlined with dashes."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding. `label` is the text after the carets; `blocks why CODE` explains the code."""

    code: str
    message: str
    file: str | None = None
    span: Span | None = None
    label: str = ""
    notes: tuple[Label, ...] = ()
    help: str | None = None

    def as_json(self) -> dict[str, str | int | None]:
        """Return the machine-readable form; its keys are a contract."""
        return {
            "code": self.code,
            "message": self.message,
            "file": self.file,
            "line": self.span.line if self.span else None,
            "column": self.span.column if self.span else None,
            "help": self.help,
        }


class BlocksError(Exception):
    """Anything that this project refuses. `sources` maps a file name to its text, for drawing."""

    exit_code: ClassVar[int] = 1

    def __init__(self, diagnostics: Iterable[Diagnostic], sources: Mapping[str, str] | None = None) -> None:
        self.diagnostics: tuple[Diagnostic, ...] = tuple(diagnostics)
        self.sources: Mapping[str, str] = dict(sources or {})
        super().__init__(self.diagnostics, self.sources)

    @classmethod
    def of(
        cls,
        code: str,
        message: str,
        *,
        file: str | None = None,
        span: Span | None = None,
        help: str | None = None,
    ) -> Self:
        """Make an error of a single finding that needs no source line."""
        return cls([Diagnostic(code, message, file=file, span=span, help=help)])

    def __str__(self) -> str:
        return render(self.diagnostics, self.sources)


class RecipeError(BlocksError):
    """The recipe is wrong."""


class PluginError(BlocksError):
    """A plugin is missing, broken, or ambiguous."""


class BuildError(BlocksError):
    """A build, a build folder or another file is wrong."""


class UsageError(BlocksError):
    """The command line is wrong."""

    exit_code: ClassVar[int] = 2


class Problems:
    """Collects the findings about one file: in order of place, without repeats, at most `MAX_PROBLEMS`."""

    def __init__(self, file: str | None = None, text: str = "") -> None:
        self.file = file
        self.text = text
        self._found: dict[Diagnostic, None] = {}
        self._left_out = 0

    def add(
        self,
        code: str,
        message: str,
        *,
        at: Span | None = None,
        label: str = "",
        notes: Iterable[Label] = (),
        help: str | None = None,
    ) -> None:
        """Note one finding at a place of this file, or about the file as a whole."""
        self.extend([Diagnostic(code, message, self.file, at, label, tuple(notes), help)])

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Take over findings that were made elsewhere."""
        for diagnostic in diagnostics:
            if diagnostic in self._found:
                continue
            if len(self._found) < MAX_PROBLEMS:
                self._found[diagnostic] = None
            else:
                self._left_out += 1

    def __bool__(self) -> bool:
        return bool(self._found)

    def __len__(self) -> int:
        return len(self._found) + self._left_out

    @property
    def full(self) -> bool:
        """Whether further findings will only be counted, so that a caller may as well stop looking."""
        return len(self._found) >= MAX_PROBLEMS

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """The findings in the order of their places; the last one counts those left out."""
        found = sorted(self._found, key=_position)
        if self._left_out:
            found.append(Diagnostic("B0100", f"{self._left_out} more problems are not shown", self.file))
        return tuple(found)

    @property
    def sources(self) -> dict[str, str]:
        """The text of the file, ready for an error."""
        return {self.file: self.text} if self.file is not None else {}

    def raise_if_any(self, error: type[BlocksError] = RecipeError) -> None:
        """Raise `error` with everything found; do nothing if all is well."""
        if self._found:
            raise error(self.diagnostics, self.sources)


def _position(diagnostic: Diagnostic) -> tuple[str, int, int, str, str]:
    span = diagnostic.span or Span(0, 0, 0)
    return (diagnostic.file or "", span.line, span.column, diagnostic.code, diagnostic.message)


def split_lines(text: str) -> list[str]:
    """Split at the line breaks of YAML 1.2 only (LF, CR, CRLF) as the parser does."""
    return _LINE_BREAK.split(text)


# Drawing ------------------------------------------------------------------------------------------


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
    return "\n\n".join("\n".join(_draw(d, lines.get(d.file or "", []), paint, width)) for d in diagnostics)


_STYLES = {"error": "1;31", "bold": "1", "frame": "1;34", "help": "1;36"}


def _paint(text: str, style: str) -> str:
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if text else ""


def _no_paint(text: str, style: str) -> str:
    return text


def _draw(
    d: Diagnostic, lines: list[str], paint: Callable[[str, str], str], width: int | None
) -> Iterator[str]:
    yield paint(f"error[{d.code}]", "error") + paint(": " + plain(d.message), "bold")
    marks = [(label.span, "-", label.text) for label in d.notes]
    if d.span is not None:
        marks.append((d.span, "^", d.label))
    digits = max((len(str(span.line)) for span, _, _ in marks), default=1)
    indent = " " * (digits + 1)
    bar = paint(indent + "|", "frame")
    if d.file is not None or d.span is not None:
        place = plain(d.file if d.file is not None else "<text>")
        yield (
            indent
            + paint("-->", "frame")
            + f" {place}"
            + (f":{d.span.line}:{d.span.column}" if d.span else "")
        )
    window = _WINDOW if width is None else max(20, min(_WINDOW, width - digits - 3))
    if lines:
        for number in sorted({span.line for span, _, _ in marks}):
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
    if d.help:
        first, *rest = d.help.split("\n")
        yield indent + paint("= ", "frame") + paint("help", "help") + f": {plain(first)}"
        for more in rest:
            yield indent + " " * 8 + plain(more)


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


# Suggestions --------------------------------------------------------------------------------------


def did_you_mean(word: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that was probably meant; case, hyphens and underscores do not count.

    The distance is that of Damerau (1964) with adjacent swaps, bounded by a third of the word's length.
    """
    wanted = _fold(word)
    if not wanted or len(wanted) > 64:
        return None
    best: tuple[int, str] | None = None
    for candidate in islice(candidates, 1000):
        if candidate == word:
            continue
        limit = max(1, len(wanted) // 3) if best is None else best[0] - 1
        if limit < 0:
            break
        distance = _distance(wanted, _fold(candidate), min(limit, 3))
        if distance is not None:
            best = (distance, candidate)
    return best[1] if best else None


def _fold(word: str) -> str:
    return word.casefold().replace("-", "").replace("_", "").replace(" ", "")


def _distance(a: str, b: str, limit: int) -> int | None:
    """Count insertions, deletions, changes and adjacent swaps from a to b; None above the limit."""
    if abs(len(a) - len(b)) > limit:
        return None
    if len(a) == 1 or len(b) == 1:
        limit = 0 if len(a) == len(b) else limit
    far = limit + 1
    before: list[int] = []
    row = [min(j, far) for j in range(len(b) + 1)]
    for i in range(1, len(a) + 1):
        new = [far] * (len(b) + 1)
        new[0] = min(i, far)
        for j in range(max(1, i - limit), min(len(b), i + limit) + 1):
            cost = min(row[j] + 1, new[j - 1] + 1, row[j - 1] + (a[i - 1] != b[j - 1]))
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                cost = min(cost, before[j - 2] + 1)
            new[j] = min(cost, far)
        if min(new) > limit:
            return None
        before, row = row, new
    return row[-1] if row[-1] <= limit else None
