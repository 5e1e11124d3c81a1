"""Values as YAML text: scalars that read back as they were, flow style, long lines continued below."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

WIDTH = 109

PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.+/-]*")
_TERM = r"[A-Za-z0-9_.]+(?:\([A-Za-z0-9_.]+\))?"
EXPRESSION = re.compile(rf"(?=.*[ (]){_TERM}(?: (?:[-+/*%]|//|\*\*) {_TERM})*")
"""Arithmetic, which needs no quotes: `4 * d_model`, `1 / sqrt(224)`."""
TAKEN = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}  # YAML 1.1 has more than 1.2
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")


def scalar(value: Any) -> str:
    """A value as YAML 1.2 reads it again: text in quotes where it would be read as something else."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return re.sub(r"e([+-])0*(\d)", r"e\1\2", repr(value)).replace("e+", "e")
    if isinstance(value, int):
        return str(value)
    text = str(value)
    if (PLAIN.fullmatch(text) or re.fullmatch(r"\d+(\.\d+)?%", text)) and text.casefold() not in TAKEN:
        return text
    if EXPRESSION.fullmatch(text):
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", quoted)


def flow(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value)


def wrapped(head: str, value: Any) -> Iterator[str]:
    """A value after `head`, continued on further lines, below what it belongs to, where one is too long."""
    line, indents, begun = head, [len(head)], False
    for piece in _pieces(value, "", (), ""):
        if begun and len(line) + 1 + piece.together > WIDTH:
            yield line
            line = " " * indents[-1]
        elif begun:
            line += " "
        indents += [len(line) + offset for offset in piece.opened]
        line, begun = line + piece.text, True
        del indents[len(indents) - piece.closed :]
    yield line


class _Piece(NamedTuple):
    """Text that is not broken: where brackets open, how many close, how much belongs on its line."""

    text: str
    opened: tuple[int, ...]
    closed: int
    together: int


def _pieces(value: Any, before: str, opened: tuple[int, ...], after: str) -> Iterator[_Piece]:
    """The pieces of `before`, a value and `after`."""
    text = before + flow(value) + after
    if not value or not isinstance(value, Mapping | list | tuple):
        yield _Piece(text, opened, len(after) - after.count(","), len(text))
        return
    mapping = isinstance(value, Mapping)
    pairs = value.items() if isinstance(value, Mapping) else (("", item) for item in value)
    items = [(f"{scalar(key)}: " if mapping else "", item) for key, item in pairs]
    for index, (key, item) in enumerate(items):
        if index == 0:
            before += "{" if mapping else "["
            opened = (*opened, len(before))
        end = ("}" if mapping else "]") + after if index == len(items) - 1 else ","
        pieces = _pieces(item, before + key, opened, end)
        if index == 0:
            yield next(pieces)._replace(together=len(text))
        yield from pieces
        before, opened = "", ()
