"""A parser's events, as they stream by, to plain values and the place of each; what the language lacks is noted."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml

from blocks.diagnostics import Label, Problems, Span, split_lines
from blocks.render import plain

MAX_DEPTH = 64
TOO_DEEP = f"the text is nested more than {MAX_DEPTH} levels deep"
LOOK_FOR_BRACKETS = "a recipe needs about ten: look for a bracket too many"
MAX_NODES = 100_000
MAX_KEYS = 5_000
MAX_DIGITS = 30

Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"

# YAML 1.2.2, section 10.3.2, the core schema.
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


@dataclass(slots=True)
class Place:
    """Where a value stands, and its children."""

    span: Span
    keys: dict[str, Span] = field(default_factory=dict)
    items: dict[str | int, Place] = field(default_factory=dict)


@dataclass(slots=True)
class _Frame:
    """A collection that is being read."""

    value: list[Value] | dict[str, Value]
    place: Place
    reach: int  # where its first line ends, as far as known
    key: str | None = None
    key_span: Span | None = None
    wants_key: bool = True


class Builder:
    """Turns parser events into values and places; notes what the language does not have."""

    def __init__(self, text: str, problems: Problems) -> None:
        self.lines = split_lines(text)
        self.problems = problems
        self.frames: list[_Frame] = []
        self.value: Value = None
        self.root: Place | None = None
        self.bare = False  # whether the whole text is one empty plain scalar
        self.overfull = False  # whether a mapping has more keys than are read
        self.nodes = 0
        self.documents = 0

    def take(self, event: Any) -> bool:
        """Take one event; return False to stop reading."""
        match event:
            case yaml.ScalarEvent() | yaml.AliasEvent() | yaml.CollectionStartEvent():
                return self._node(event)
            case yaml.CollectionEndEvent():
                self._close(event)
            case yaml.DocumentStartEvent():
                return self._document(event)
        return self._goes_on()

    def _goes_on(self) -> bool:
        return not (self.problems.full or self.overfull)

    def _document(self, event: Any) -> bool:
        self.documents += 1
        if self.documents > 1:
            self.problems.add(
                "B0108",
                "a recipe is one document, here a second one starts",
                at=self._span(event),
                help="write the second recipe to a file of its own",
            )
            return False
        if event.tags:
            self.problems.add(
                "B0105",
                "a %TAG directive is not part of the recipe language",
                at=self._span(event),
                help="leave the line out",
            )
        if event.version is not None and tuple(event.version) != (1, 2):
            version = ".".join(map(str, event.version))
            self.problems.add(
                "B0108",
                f"a recipe is YAML 1.2, not {version}",
                at=self._span(event),
                help="leave the line out",
            )
        return True

    def _node(self, event: Any) -> bool:
        self.nodes += 1
        span = self._span(event)
        if self.nodes > MAX_NODES:
            message = f"the text has more than {MAX_NODES:,} values"
            self.problems.add(
                "B0109", message, at=span, help="repeat in the layout: layers: [3 x [mamba2, ffn]]"
            )
            return False
        if isinstance(event, yaml.AliasEvent):
            self._refuse(span, f"the alias *{event.anchor}", "repeat the value, or name it under `blocks:`")
            self._complete(None, Place(span), text=None)
            return self._goes_on()
        if event.anchor is not None:
            what, at = self._property(span, f"&{event.anchor}")
            self._refuse(at, f"the anchor {what}", "name the value under `blocks:` and refer to the name")
        if event.tag is not None:
            what, at = self._property(span, "!")
            self._refuse(at, f"the tag {what}", "write the plain value")
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event, span)
        elif len(self.frames) >= MAX_DEPTH:
            self.problems.add("B0109", TOO_DEEP, at=span, help=LOOK_FOR_BRACKETS)
            return False
        else:
            start = Span(span.line, span.column, span.column + 1)
            empty: list[Value] | dict[str, Value] = [] if isinstance(event, yaml.SequenceStartEvent) else {}
            self.frames.append(_Frame(empty, Place(start), start.end_column))
        return self._goes_on()

    def _scalar(self, event: Any, span: Span) -> None:
        text: str = event.value
        value: Value = text
        if not event.style and event.tag is None:
            value = self._plain(text, span)
            self.bare = text == "" and not self.frames
            if text == "<<" and self._awaits_key():
                self._refuse(span, "the merge key <<", "write the keys out")
        self._complete(value, Place(span), text=text)

    def _plain(self, text: str, span: Span) -> Value:
        if text in _NULL:
            return None
        if text in _BOOL:
            return _BOOL[text]
        if text[0] not in "-+.0123456789":
            return text
        if _INT.fullmatch(text):
            if len(text) > MAX_DIGITS + 2:
                message = f"the number has more than {MAX_DIGITS} digits"
                self.problems.add(
                    "B0110", message, at=span, help="write large sizes with units, such as 8B or 2T"
                )
                return 0
            return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
        if _NOT_FINITE.fullmatch(text):
            self.problems.add("B0110", f"{text} is not a finite number", at=span, help="write a number")
            return 0.0
        if _FLOAT.fullmatch(text):
            number = float(text) if len(text) <= 400 else float("inf")
            if number in (float("inf"), float("-inf")):
                message = f"{plain(text[:40])} is too large a number"
                self.problems.add("B0110", message, at=span, help="numbers reach to 1.79e308")
                return 0.0
            return number
        return text

    def _close(self, event: Any) -> None:
        frame = self.frames.pop()
        start, end = frame.place.span, event.end_mark
        if end.line + 1 == start.line and end.column > 0:
            frame.reach = max(frame.reach, end.column + 1)
        frame.place.span = Span(start.line, start.column, frame.reach)
        self._complete(frame.value, frame.place, text=None)

    def _complete(self, value: Value, place: Place, *, text: str | None) -> None:
        """Hand a finished node to the collection it is in; `text` is that of a scalar."""
        if not self.frames:
            self.value, self.root = value, place
            return
        frame, span = self.frames[-1], place.span
        if span.line == frame.place.span.line:
            frame.reach = max(frame.reach, span.end_column)
        if isinstance(frame.value, list):
            frame.place.items[len(frame.value)] = place
            frame.value.append(value)
        elif frame.wants_key:
            frame.wants_key = False
            frame.key, frame.key_span = self._key(frame, value, span, text), span
        else:
            frame.wants_key = True
            if frame.key is not None and frame.key_span is not None:
                frame.value[frame.key] = value
                frame.place.items[frame.key] = place
                frame.place.keys[frame.key] = frame.key_span

    def _key(self, frame: _Frame, value: Value, span: Span, text: str | None) -> str | None:
        """Return a key that is fit for use, or None after noting why it is not."""
        if not isinstance(value, str):
            shown = (
                "an empty key"
                if text == ""
                else plain(text)
                if text is not None
                else "a list, a mapping or an alias"
            )
            help = f'put it in quotes: "{plain(text)}"' if text else "write a name and a colon: d_model: 512"
            self.problems.add("B0107", f"a key is a string, not {shown}", at=span, help=help)
            return None
        first = frame.place.keys.get(value)
        if len(frame.value) >= MAX_KEYS:
            message = f"a mapping has more than {MAX_KEYS:,} keys"
            self.problems.add("B0109", message, at=span, help="blocks that are alike need one name only")
            self.overfull = True
            return None
        if first is not None:
            self.problems.add(
                "B0106",
                f"the key {plain(value[:80])} is given twice",
                at=span,
                label="and again here",
                notes=[Label(first, "given here first")],
                help="keep one of them",
            )
            return None
        return value

    def _awaits_key(self) -> bool:
        return bool(self.frames) and isinstance(self.frames[-1].value, dict) and self.frames[-1].wants_key

    def _refuse(self, span: Span, what: str, help: str) -> None:
        self.problems.add(
            "B0105", f"{plain(what[:80])} is not part of the recipe language", at=span, help=help
        )

    def _property(self, span: Span, start: str) -> tuple[str, Span]:
        """Return the anchor or tag of a node as it is written, and its place."""
        line = self.lines[span.line - 1]
        column = max(line.find(start, span.column - 1), 0)
        word = line[column:].split(maxsplit=1)[0]
        return word, Span(span.line, column + 1, column + 1 + len(word))

    def _span(self, event: Any) -> Span:
        """Return the first line of what the event covers, without trailing blanks; at least one character."""
        start, end = event.start_mark, event.end_mark
        column = start.column + 1
        if end.line == start.line:
            stop = end.column + 1
        else:
            line = self.lines[start.line] if start.line < len(self.lines) else ""
            stop = len(line.rstrip()) + 1
        return Span(start.line + 1, column, max(stop, column + 1))
