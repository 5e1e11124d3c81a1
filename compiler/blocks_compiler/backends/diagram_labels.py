"""Labels of diagrams. Text from recipes and plugins is escaped, clipped, and freed from control characters."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from blocks import Component, Polynomial
from blocks.inside import Shape
from blocks_compiler.backends.theme import Theme
from blocks_compiler.describe import options, sentence

FONT = "Helvetica,Arial,sans-serif"
COLUMN, CARD, NUMBER = 170, 132, 46
"""Points inside the nodes of the column and of a card, and for the number on their right."""
LIMIT = 100  # characters of one text
TABLE = '<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="1">'


def text(raw: str) -> str:
    """Text inside an HTML-like label; a word joiner keeps `\\N` from being one of Graphviz' own escapes."""
    return re.sub(r"\\(?=[NGETHL])", "&#92;&#8288;", html.escape(_clean(raw))).replace("\\", "&#92;")


def tip(raw: str) -> str:
    """Text of a tooltip, never markup, even where it starts with `<` and ends with `>`."""
    import graphviz  # type: ignore[import-untyped]

    quoted: str = graphviz.nohtml(_clean(raw).replace("\\", "\\\\") or " ")
    return quoted


def words(component: Component | None) -> str:
    """A component in one line."""
    return (sentence(options(component)) or component.name) if component is not None else ""


def _clean(raw: str) -> str:
    line = " ".join("".join(" " if unicodedata.category(c)[0] == "C" else c for c in raw).split())
    return line if len(line) <= LIMIT else line[: LIMIT - 1] + "…"


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels in the colours of a theme, for a model of `width` channels."""

    theme: Theme
    width: int
    vocab_size: int | None

    def shape(self, shape: Shape | None, width: int | None = None) -> str:
        """`B T 4096`; `width` is that of the mixer whose inside it is, where it is one."""
        width = self.width if width is None else width
        sizes = {"d_model": width, "vocab_size": self.vocab_size}
        shown = []
        for each in shape or ():
            if isinstance(each, str):
                shown.append(str(sizes.get(each) or each))
            else:
                shown.append(str(Polynomial.of(each).evaluate({"D": width})))
        return " ".join(shown)

    def plain(self) -> dict[str, str]:
        """Attributes of a node that is text alone."""
        return {"shape": "plain", "style": "", "fontcolor": self.theme.faint, "height": "0.1"}

    def small(self, raw: str) -> str:
        """Markup of a small, faint text."""
        return f'<FONT POINT-SIZE="9" COLOR="{self.theme.faint}">{text(raw)}</FONT>'

    def end(self, name: str, shape: str) -> str:
        """The label of an input or output: its name, and its shape in small."""
        return f"<<I>{text(name)}</I>  {self.small(shape)}>"

    def box(self, name: str, right: str, times: int = 1, note: str = "", *, wide: int) -> str:
        """The name on the left, a number on the right, at least `wide` points from edge to edge."""
        repeat = f"  <B>×{times:,}</B>" if times > 1 else ""
        below = f'<BR ALIGN="LEFT"/>{self.small(note)}' if note else ""
        left = f"<B>{text(name)}</B>{repeat}{below}"
        return f"<{TABLE}{self._row(left, right, wide)}</TABLE>>"

    def options(self, name: str, right: str, chosen: Mapping[str, str], entry: str = "") -> str:
        """A component's name above its options, one a line; `entry` is the name that a branch goes by."""
        above = f'<B>{text(entry)}</B><BR ALIGN="LEFT"/>{text(name)}' if entry else f"<B>{text(name)}</B>"
        rows = [self._row(above, right or " ", CARD)]
        rows += [self._row(self.small(option), value, CARD) for option, value in chosen.items()]
        return f"<{TABLE}{''.join(rows)}</TABLE>>"

    def _row(self, left: str, right: str, wide: int) -> str:
        """A row; `left` is markup, `right` text."""
        if not right:
            return f'<TR><TD ALIGN="LEFT" BALIGN="LEFT" WIDTH="{wide}">{left}</TD></TR>'
        number = max(NUMBER, 5 * len(right))
        return (
            f'<TR><TD ALIGN="LEFT" BALIGN="LEFT" WIDTH="{max(1, wide - number)}">{left}</TD>'
            f'<TD ALIGN="RIGHT" WIDTH="{number}">{self.small(right)}</TD></TR>'
        )
