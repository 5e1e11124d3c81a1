"""A page in the terminal: styled text and tables that keep to the width.

Written out here because the budget of `show` and `cost` (300 ms, most of it reading the recipe) has no room for
importing a terminal library. Text from recipes and plugins is made harmless before it is printed.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from blocks_compiler.families import FAMILIES

_CODES = {"bold": "1", "dim": "2", "title": "1;36", "link": "4", "green": "32", "red": "31"}
_FAMILY_CODES = dict(zip(FAMILIES, ("38;5;208", "38;5;39", "38;5;141", "38;5;71", "38;5;245"), strict=True))


def harmless(text: str) -> str:
    """The text with control and bidirectional characters replaced, line breaks by spaces."""
    if text.isprintable():
        return text
    return "".join(
        " " if c in "\n\t" else "\N{REPLACEMENT CHARACTER}" if unicodedata.category(c)[0] == "C" else c
        for c in text
    )


def columns(text: str) -> int:
    """Columns that a text takes in a terminal."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def clip(text: str, width: int) -> str:
    """The text, cut with an ellipsis where it is wider."""
    if columns(text) <= width:
        return text
    while text and columns(text) > width - 1:
        text = text[:-1]
    return text.rstrip() + "…"


@dataclass(frozen=True, slots=True)
class Cell:
    """Text of one cell with a style: a word of this file, or a family of mixers."""

    text: str
    style: str = ""


Content = Cell | str | None


@dataclass(slots=True)
class Table:
    """Rows under headings. `aligned` has < or > for each column; columns named in `flexible` give way, first first.

    A row of one None is a rule; a row of one Cell is a heading that spans the table.
    """

    headings: Sequence[str]
    aligned: str
    flexible: Sequence[str] = ()
    rows: list[Sequence[Content]] = field(default_factory=list)

    def add(self, *cells: Content) -> None:
        """Append a row."""
        self.rows.append(cells)

    def widths(self, limit: int | None) -> list[int]:
        """Columns of each column, so that all of them and their gaps of two fit into `limit`."""
        widths = [columns(heading) for heading in self.headings]
        for row in self.rows:
            if len(row) == len(widths) > 1:
                widths = [max(w, columns(_text(cell))) for w, cell in zip(widths, row, strict=True)]
        over = sum(widths) + 2 * (len(widths) - 1) - limit if limit is not None else 0
        for name in self.flexible:
            at = list(self.headings).index(name)
            taken = min(max(over, 0), max(0, widths[at] - max(12, columns(name))))
            widths[at] -= taken
            over -= taken
        return widths


class Page:
    """Prints to standard output; `width` is None where there is no terminal, and nothing is clipped then."""

    def __init__(self, *, color: bool) -> None:
        self.color = color
        self.width = shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else None

    def styled(self, text: str, style: str) -> str:
        """The text in a style, where there are colours."""
        code = _CODES.get(style) or _FAMILY_CODES.get(style)
        return f"\x1b[{code}m{text}\x1b[0m" if self.color and code and text else text

    def line(self, *parts: Content, indent: int = 0) -> None:
        """One line of parts, one after another."""
        cells = [part if isinstance(part, Cell) else Cell(part or "") for part in parts]
        print(" " * indent + "".join(self.styled(harmless(cell.text), cell.style) for cell in cells))

    def text(self, text: str, style: str = "", indent: int = 0) -> None:
        """A paragraph, filled to the width (at most 100 columns, as one likes to read)."""
        width = min(self.width or 100, 100)
        for line in textwrap.wrap(harmless(text), width - indent) or [""]:
            self.line(Cell(line, style), indent=indent)

    def wrapped(self, cell: Cell, before: int) -> list[Cell]:
        """A cell as one for each line that it takes after `before` columns; one where there is no terminal."""
        if self.width is None:
            return [cell]
        lines = textwrap.wrap(harmless(cell.text), max(self.width - before, 20)) or [""]
        return [Cell(line, cell.style) for line in lines]

    def table(self, table: Table, indent: int = 2) -> None:
        """A table."""
        widths = table.widths(self.width - indent if self.width is not None else None)
        if any(table.headings):
            self._row([Cell(heading, "dim") for heading in table.headings], table.aligned, widths, indent)
        for row in table.rows:
            if len(row) == 1 and row[0] is None:
                self.line(Cell("─" * (sum(widths) + 2 * len(widths) - 2), "dim"), indent=indent)
            elif len(row) == 1:
                self.line(*row, indent=indent)
            else:
                self._row(row, table.aligned, widths, indent)

    def _row(self, row: Sequence[Content], aligned: str, widths: Sequence[int], indent: int) -> None:
        parts: list[str] = []
        for cell, align, width in zip(row, aligned, widths, strict=True):
            text = clip(harmless(_text(cell)), width)
            pad = " " * (width - columns(text))
            shown = self.styled(text, cell.style) if isinstance(cell, Cell) else text
            parts.append(pad + shown if align == ">" else shown + pad)
        print((" " * indent + "  ".join(parts)).rstrip())


def _text(cell: Content) -> str:
    return cell.text if isinstance(cell, Cell) else cell or ""
