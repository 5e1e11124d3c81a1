"""YAML text to plain values, with the place of every key and value.

A recipe is YAML 1.2 with the core scalars (`no` is a string, `1e-5` a float, `010` ten) and nothing that
could surprise a reader or a machine: one document, no tags, anchors, aliases or merge keys, no repeated keys,
string keys only, no infinity. Its size, depth and number of nodes are bounded, and checked while the parser's
events stream by, so that a hostile text is refused before it becomes large. All findings come at once.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from blocks.diagnostics import Label, Problems, RecipeError, Span, did_you_mean, plain, split_lines
from blocks.repeats import normalise

MAX_BYTES = 1 << 20
MAX_DEPTH = 64
MAX_NODES = 100_000
MAX_DIGITS = 30

Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"

_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where the wheel has it

# YAML 1.2.2, section 10.3.2, the core schema.
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")

# Characters that no YAML text may hold, and those that a YAML 1.1 parser takes for line breaks.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")


@dataclass(slots=True)
class _Place:
    """Where a value stands, and its children."""

    span: Span
    keys: dict[str, Span] = field(default_factory=dict)
    items: dict[str | int, _Place] = field(default_factory=dict)


class Document:
    """A text that was read: its plain `value`, and the place of each part of it."""

    def __init__(self, value: Value, file: str, text: str, root: _Place) -> None:
        self.value = value
        self.file = file
        self.text = text
        self._root = root

    def __repr__(self) -> str:
        return f"Document({self.file!r})"

    @property
    def sources(self) -> dict[str, str]:
        """The text by file name, as errors want it."""
        return {self.file: self.text}

    def span(self, path: tuple[str | int, ...], *, key: bool = False) -> Span:
        """Return the place of the value at `path` (with `key` of its key), or of the nearest ancestor."""
        place, key_span = self._root, None
        for part in path:
            inner = place.items.get(part)
            if inner is None:
                break
            key_span = place.keys.get(part) if isinstance(part, str) else None
            place = inner
        return key_span if key and key_span is not None else place.span

    def within(self, path: tuple[str | int, ...], start: int, end: int) -> Span:
        """Return the place of the characters `start` to `end` of the string at `path`.

        Falls back to the whole value where the text differs from the value (escapes, several lines).
        """
        span = self.span(path)
        value: Value = self.value
        for part in path:
            if isinstance(value, dict) and isinstance(part, str):
                value = value.get(part)
            elif isinstance(value, list) and isinstance(part, int) and -len(value) <= part < len(value):
                value = value[part]
            else:
                return span
        lines = split_lines(self.text)
        shown = lines[span.line - 1][span.column - 1 : span.end_column - 1] if span.line <= len(lines) else ""
        for quote in ("", "'", '"'):
            if isinstance(value, str) and shown == quote + value + quote:
                column = span.column + len(quote)
                return Span(span.line, column + start, column + max(end, start + 1))
        return span

    def problems(self) -> Problems:
        """Return an empty collector of findings about this text."""
        return Problems(self.file, self.text)


def read_file(path: str | os.PathLike[str]) -> Document:
    """Read a recipe file. Raises RecipeError if it is missing, unreadable, too large or wrong."""
    name = os.fspath(path)
    try:
        with Path(name).open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise RecipeError.of(
            "B0801", f"there is no file {name}", file=name, help=_neighbour(Path(name))
        ) from None
    except IsADirectoryError:
        raise RecipeError.of(
            "B0802", f"{name} is a folder, not a recipe", file=name, help="name a .yaml file in it"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RecipeError.of("B0802", f"{name} cannot be read: {reason}", file=name) from None
    return read(data, name)


def _neighbour(path: Path) -> str | None:
    try:
        files = sorted(entry.name for entry in islice(path.parent.iterdir(), 1000))
    except (OSError, ValueError):
        return f"there is no folder {path.parent} either"
    meant = did_you_mean(path.name, files)
    if path.name + ".yaml" in files:
        meant = path.name + ".yaml"
    return f"did you mean {path.parent / meant}?" if meant else None


def read(text: str | bytes, file: str = "<text>") -> Document:
    """Read one YAML document. Raises RecipeError with everything that was found."""
    decoded = _decode(text, file)
    problems = Problems(file, decoded)
    _check_characters(decoded, problems)
    problems.raise_if_any()
    builder, error = _build(decoded, problems)
    if error is not None and (spelled := normalise(decoded)) != decoded:
        problems = Problems(file, decoded)
        builder, error = _build(decoded, problems, spelled)
    if isinstance(error, yaml.MarkedYAMLError):
        _explain_syntax(error, builder, problems)
    elif error is not None:
        problems.add("B0102", f"this is not valid YAML: {error}")
    if not problems and (builder.root is None or (builder.value is None and builder.bare)):
        problems.add("B0111", "there is nothing in this text", help="a recipe starts with `recipe: my-model`")
    problems.raise_if_any()
    assert builder.root is not None
    return Document(builder.value, file, decoded, builder.root)


def _build(text: str, problems: Problems, spelled: str | None = None) -> tuple[_Builder, Exception | None]:
    """Read the events of a text, or of it `spelled` as YAML has it; and what stopped the parser, if any."""
    builder = _Builder(text, problems)
    loader = _Parser(text if spelled is None else spelled)
    try:
        while loader.check_event():
            if not builder.take(loader.get_event()):
                break
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        return builder, error
    finally:
        loader.dispose()
    return builder, None


def _decode(text: str | bytes, file: str) -> str:
    if len(text) > MAX_BYTES or (isinstance(text, str) and len(text.encode(errors="replace")) > MAX_BYTES):
        raise RecipeError.of("B0109", f"the text is larger than {MAX_BYTES // 1024} KiB", file=file)
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    try:
        return text.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        shown = text.decode("utf-8", errors="replace")
        problems = Problems(file, shown)
        utf16 = text.startswith((b"\xff\xfe", b"\xfe\xff"))
        problems.add(
            "B0101",
            f"byte 0x{text[error.start]:02x} is not UTF-8 text",
            at=_Lines(shown).span(len(text[: error.start].decode("utf-8", errors="replace"))),
            help="save the file as UTF-8" + (", not UTF-16" if utf16 else ""),
        )
        raise RecipeError(problems.diagnostics, problems.sources) from None


class _Lines:
    """Finds the line and column of an offset."""

    def __init__(self, text: str) -> None:
        self.starts = [0, *(m.end() for m in re.finditer(r"\r\n|\r|\n", text))]

    def span(self, start: int, length: int = 1) -> Span:
        line = bisect_right(self.starts, start)
        column = start - self.starts[line - 1] + 1
        return Span(line, column, column + length)


def _check_characters(text: str, problems: Problems) -> None:
    lines: _Lines | None = None
    for match in _FORBIDDEN.finditer(text):
        lines = lines or _Lines(text)
        code = ord(match[0])
        problems.add(
            "B0104",
            f"the invisible character U+{code:04X} is not allowed",
            at=lines.span(match.start()),
            help="delete it, or write it as an escape in double quotes",
        )
        if problems.full:
            break


# Events to values ---------------------------------------------------------------------------------


@dataclass(slots=True)
class _Frame:
    """A collection that is being read."""

    value: list[Value] | dict[str, Value]
    place: _Place
    reach: int  # where its first line ends, as far as known
    key: str | None = None
    key_span: Span | None = None
    wants_key: bool = True


class _Builder:
    """Turns parser events into values and places; notes what the language does not have."""

    def __init__(self, text: str, problems: Problems) -> None:
        self.lines = split_lines(text)
        self.problems = problems
        self.frames: list[_Frame] = []
        self.value: Value = None
        self.root: _Place | None = None
        self.bare = False  # whether the whole text is one empty plain scalar
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
        return not self.problems.full

    def _document(self, event: Any) -> bool:
        self.documents += 1
        if self.documents > 1:
            self.problems.add(
                "B0108", "a recipe is one document, here a second one starts", at=self._span(event)
            )
            return False
        if event.tags:
            self.problems.add(
                "B0105", "a %TAG directive is not part of the recipe language", at=self._span(event)
            )
        if event.version is not None and tuple(event.version) != (1, 2):
            version = ".".join(map(str, event.version))
            self.problems.add("B0108", f"a recipe is YAML 1.2, not {version}", at=self._span(event))
        return True

    def _node(self, event: Any) -> bool:
        self.nodes += 1
        span = self._span(event)
        if self.nodes > MAX_NODES:
            self.problems.add("B0109", f"the text has more than {MAX_NODES:,} values", at=span)
            return False
        if isinstance(event, yaml.AliasEvent):
            self._refuse(span, f"the alias *{event.anchor}", "repeat the value, or name it under `blocks:`")
            self._complete(None, _Place(span), text=None)
            return not self.problems.full
        if event.anchor is not None:
            what, at = self._property(span, f"&{event.anchor}")
            self._refuse(at, f"the anchor {what}", "name the value under `blocks:` and refer to the name")
        if event.tag is not None:
            what, at = self._property(span, "!")
            self._refuse(at, f"the tag {what}", "write the plain value")
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event, span)
        elif len(self.frames) >= MAX_DEPTH:
            self.problems.add("B0109", f"the text is nested more than {MAX_DEPTH} levels deep", at=span)
            return False
        else:
            start = Span(span.line, span.column, span.column + 1)
            empty: list[Value] | dict[str, Value] = [] if isinstance(event, yaml.SequenceStartEvent) else {}
            self.frames.append(_Frame(empty, _Place(start), start.end_column))
        return not self.problems.full

    def _scalar(self, event: Any, span: Span) -> None:
        text: str = event.value
        value: Value = text
        if not event.style and event.tag is None:
            value = self._plain(text, span)
            self.bare = text == "" and not self.frames
            if text == "<<" and self._awaits_key():
                self._refuse(span, "the merge key <<", "write the keys out")
        self._complete(value, _Place(span), text=text)

    def _plain(self, text: str, span: Span) -> Value:
        if text in _NULL:
            return None
        if text in _BOOL:
            return _BOOL[text]
        if text[0] not in "-+.0123456789":
            return text
        if _INT.fullmatch(text):
            if len(text) > MAX_DIGITS + 2:
                self.problems.add("B0110", f"the number has more than {MAX_DIGITS} digits", at=span)
                return 0
            return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
        if _NOT_FINITE.fullmatch(text):
            self.problems.add("B0110", f"{text} is not a finite number", at=span)
            return 0.0
        if _FLOAT.fullmatch(text):
            number = float(text) if len(text) <= 400 else float("inf")
            if number in (float("inf"), float("-inf")):
                self.problems.add("B0110", f"{plain(text[:40])} is too large a number", at=span)
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

    def _complete(self, value: Value, place: _Place, *, text: str | None) -> None:
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
            help = f'put it in quotes: "{plain(text)}"' if text else None
            self.problems.add("B0107", f"a key is a string, not {shown}", at=span, help=help)
            return None
        first = frame.place.keys.get(value)
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


# Syntax errors ------------------------------------------------------------------------------------


def _explain_syntax(error: yaml.MarkedYAMLError, builder: _Builder, problems: Problems) -> None:
    """Say in plain words what the parser stumbled over, and where the trouble began."""
    lines = builder.lines
    problem, context = error.problem or "", error.context or ""
    at = _mark_span(error.problem_mark or error.context_mark, lines) or Span(1, 1, 2)
    begun = _mark_span(error.context_mark, lines) or at
    line = lines[at.line - 1]
    char = line[at.column - 1 : at.column]
    at_end = not char and not any(rest.strip() for rest in lines[at.line :])
    lead = line[: len(line) - len(line.lstrip())]
    opened = next(
        (f.place.span for f in reversed(builder.frames) if _sign(f.place.span, lines) in "[{"), None
    )

    if char == "\t" or ("\t" in lead and ("expected" in problem or "cannot start" in problem)):
        tab = line.find("\t") + 1
        problems.add(
            "B0103", "a tab cannot indent YAML", at=Span(at.line, tab, tab + 1), help="indent with two spaces"
        )
    elif "could not find expected ':'" in problem:
        problems.add(
            "B0102", "a key without its colon", at=begun, label="no `:` follows", help="write `key: value`"
        )
    elif "mapping values are not allowed" in problem:
        _explain_colon(at, lines, problems)
    elif "quoted scalar" in context and "end of stream" in problem:
        problems.add("B0112", "this quote is never closed", at=begun, label="opened here")
    elif at_end and opened is not None:
        sign = _sign(opened, lines)
        close = "]" if sign == "[" else "}"
        problems.add(
            "B0112", f"this `{sign}` is never closed", at=opened, label="opened here", help=f"add `{close}`"
        )
    elif "flow" in context and "expected ','" in problem:
        close = "}" if "mapping" in context else "]"
        problems.add(
            "B0112",
            f"expected `,` or `{close}` here",
            at=at,
            notes=[Label(begun, "opened here")] if begun != at else [],
            help="write a repeat as `3 x [a, b]`, with a blank before the bracket"
            if char == "[" and re.search(r"\d[ \t]*[x×]$", line[: at.column - 1])
            else f"close it with `{close}`, or add a comma",
        )
    elif char and char in "]})" and opened is None:
        problems.add(
            "B0112", f"`{char}` was never opened", at=at, help="delete it, or put the text in quotes"
        )
    elif "document start" in problem:
        problems.add("B0108", "a recipe is one document, here text follows its end", at=at)
    elif "expected" in problem and "block" in context:
        what = "a list item (`- `)" if "sequence" in context or "collection" in context else "a key"
        notes = [Label(begun, "it began here")] if begun != at else []
        problems.add("B0102", f"expected {what} here", at=at, notes=notes, help="check the indentation")
    elif "cannot start any token" in problem:
        problems.add(
            "B0102", f"a value cannot start with `{plain(char)}`", at=at, help="put the text in quotes"
        )
    elif "node content" in problem:
        problems.add("B0102", "a value is missing here", at=at)
    else:
        problems.add("B0102", f"this is not valid YAML: {plain(problem or context)}", at=at)


def _explain_colon(at: Span, lines: list[str], problems: Problems) -> None:
    """Explain a colon that the parser did not expect, by the line above it."""
    line = lines[at.line - 1]
    above = next((n for n in range(at.line - 1, 0, -1) if lines[n - 1].strip()), 0)
    over = lines[above - 1] if above else ""
    before, deep = _indentation(over), _indentation(line)
    first = at.column - 1 == line.find(":")
    if above and first and deep == before and ":" not in over and not over.lstrip().startswith(("#", "-")):
        place = Span(above, before + 1, len(over.rstrip()) + 1)
        problems.add(
            "B0102", "a key without its colon", at=place, label="no `:` follows", help="write `key: value`"
        )
    elif above and first and deep > before and ":" in over:
        problems.add(
            "B0102",
            "this line is indented deeper than the one above, which already has its value",
            at=Span(at.line, deep + 1, at.column),
            notes=[Label(Span(above, before + 1, len(over.rstrip()) + 1), "this has a value")],
            help="indent both alike",
        )
    else:
        help = "put a text that contains `: ` in quotes, or mend the indentation"
        problems.add("B0102", "a colon is not expected here", at=at, help=help)


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())


def _sign(span: Span, lines: list[str]) -> str:
    """Return the character at a place, or a blank."""
    line = lines[span.line - 1]
    return line[span.column - 1 : span.column] or " "


def _mark_span(mark: Any, lines: list[str]) -> Span | None:
    """Return the character at a mark; past the end of the text, the end of its last line with text."""
    if mark is None:
        return None
    line, column = mark.line, mark.column
    if line >= len(lines) or (column == 0 and not any(rest.strip() for rest in lines[line:])):
        line = next((n for n in range(min(line, len(lines)) - 1, -1, -1) if lines[n].strip()), 0)
        column = len(lines[line].rstrip())
    return Span(line + 1, column + 1, column + 2)
