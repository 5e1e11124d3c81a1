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
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any

import yaml

from blocks.builder import MAX_DEPTH, MAX_NODES, Builder, Place, Value
from blocks.diagnostics import Label, Problems, RecipeError, Span, split_lines
from blocks.repeats import normalise
from blocks.suggest import did_you_mean
from blocks.syntax import explain_syntax

MAX_BYTES = 1 << 20
_OPENED = ("/dev/stdin", "/dev/fd/", "/proc/self/fd/")
"""Files that the caller of the program opened for it, whatever they are."""

_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where the wheel has it

# Characters that no YAML text may hold, and those that a YAML 1.1 parser takes for line breaks.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")


class Document:
    """A text that was read: its plain `value`, and the place of each part of it.

    `path` is the file that it came from, None for a text. Parts may come from other texts, those of the recipes
    that it extends and of settings: their spans name the file, and `others` has the text of each, `folders`
    the folder of each that is a file. `removed` has the places that took something out of them, by its path.
    """

    def __init__(
        self,
        value: Value,
        file: str,
        text: str,
        root: Place,
        *,
        path: Path | None = None,
        others: Mapping[str, str] | None = None,
        removed: Mapping[tuple[str | int, ...], Span] | None = None,
        folders: Mapping[str, Path] | None = None,
    ) -> None:
        self.value = value
        self.file = file
        self.text = text
        self.root = root
        self.path = path
        self.others = dict(others or {})
        self.removed = dict(removed or {})
        self.folders = dict(folders or {})
        self._lines: dict[str, list[str]] = {}

    def __repr__(self) -> str:
        return f"Document({self.file!r})"

    @property
    def sources(self) -> dict[str, str]:
        """The texts by file name, as errors want them."""
        return {**self.others, self.file: self.text}

    def span(self, path: tuple[str | int, ...], *, key: bool = False) -> Span:
        """Return the place of the value at `path` (with `key` of its key), or of the nearest ancestor."""
        place, key_span = self.root, None
        for part in path:
            inner = place.items.get(part)
            if inner is None:
                break
            key_span = place.keys.get(part) if isinstance(part, str) else None
            place = inner
        return key_span if key and key_span is not None else place.span

    def folder(self, path: tuple[str | int, ...]) -> Path | None:
        """The folder of the recipe file that says what is at `path`, this one or a base; None for a text.

        What a setting says counts as said in this recipe.
        """
        own = self.path.parent if self.path is not None else None
        return self.folders.get(self.span(path).file or "", own)

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
        lines = self._lines_of(span.file)
        shown = lines[span.line - 1][span.column - 1 : span.end_column - 1] if span.line <= len(lines) else ""
        for quote in ("", "'", '"'):
            if isinstance(value, str) and shown == quote + value + quote:
                column = span.column + len(quote)
                return Span(span.line, column + start, column + max(end, start + 1), span.file)
        return span

    def _lines_of(self, file: str | None) -> list[str]:
        name = file or self.file
        if name not in self._lines:
            self._lines[name] = split_lines(self.sources[name])
        return self._lines[name]

    def problems(self) -> Problems:
        """Return an empty collector of findings about this text."""
        return _Problems(self) if self.removed else Problems(self.file, self.text, self.others)


class _Problems(Problems):
    """Findings, each with a note where what it names was removed."""

    def __init__(self, document: Document) -> None:
        super().__init__(document.file, document.text, document.others)
        self._removed = document.removed

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
        taken = [
            Label(span, f"{path[-1]} is removed here")
            for path, span in self._removed.items()
            if repr(path[-1]) in message
        ]
        super().add(code, message, at=at, label=label, notes=(*notes, *taken), help=help)


def read_file(path: str | os.PathLike[str], *, name: str | None = None) -> Document:
    """Read a recipe file; errors call it `name`, by default its path.

    Raises RecipeError if it is missing, unreadable, too large or wrong.
    """
    name = os.fspath(path) if name is None else name
    try:
        mode = Path(path).stat().st_mode
        if not S_ISREG(mode) and not S_ISDIR(mode) and not str(path).startswith(_OPENED):
            raise RecipeError.of(
                "B0802",
                f"{name} is not a file",
                file=name,
                help="name a .yaml file; a pipe is read as /dev/stdin",
            )
        with Path(path).open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise RecipeError.of(
            "B0801", f"there is no file {name}", file=name, help=_neighbour(Path(path))
        ) from None
    except IsADirectoryError:
        raise RecipeError.of(
            "B0802", f"{name} is a folder, not a recipe", file=name, help="name a .yaml file in it"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RecipeError.of("B0802", f"{name} cannot be read: {reason}", file=name) from None
    document = read(data, name)
    document.path = Path(path)
    return document


def _neighbour(path: Path) -> str | None:
    try:
        files = sorted(entry.name for entry in islice(path.parent.iterdir(), 1000))
    except (OSError, ValueError):
        return f"there is no folder {path.parent} either"
    meant = did_you_mean(path.name, files)
    if path.name + ".yaml" in files:
        meant = path.name + ".yaml"
    return f"did you mean {path.parent / meant}?" if meant else None


def read(text: str | bytes, file: str = "<text>", *, start: int = 0) -> Document:
    """Read one YAML document. Raises RecipeError with everything that was found.

    With `start`, the document begins at that character of the text's first line.
    """
    decoded = _decode(text, file)
    problems = Problems(file, decoded)
    _check_characters(decoded, problems)
    if not problems:
        _check_size(decoded, problems)
    problems.raise_if_any()
    yaml_text = " " * start + decoded[start:]
    builder, error = _build(decoded, problems, yaml_text)
    if error is not None and (spelled := normalise(yaml_text, MAX_DEPTH)) != yaml_text:
        problems = Problems(file, decoded)
        builder, error = _build(decoded, problems, spelled)
    if isinstance(error, yaml.MarkedYAMLError):
        explain_syntax(error, builder, problems)
    elif error is not None:
        problems.add("B0102", f"this is not valid YAML: {error}")
    if not problems and (builder.root is None or (builder.value is None and builder.bare)):
        problems.add(
            "B0111",
            "there is nothing in this text",
            at=Span(1, 1, 2),
            help="a recipe starts with `recipe: my-model`",
        )
    problems.raise_if_any()
    assert builder.root is not None
    return Document(builder.value, file, decoded, builder.root)


def _check_size(text: str, problems: Problems) -> None:
    """Count the values of a long text before any is kept, which is five times as quick as reading them."""
    if len(text) <= MAX_NODES:  # each value takes a character at least
        return
    loader, nodes, depth = _Parser(text), 0, 0
    try:
        while nodes <= MAX_NODES and depth <= MAX_DEPTH:
            event = loader.get_event()
            kind = event.__class__
            if kind is yaml.ScalarEvent:
                nodes += 1
            elif kind is yaml.SequenceStartEvent or kind is yaml.MappingStartEvent:
                nodes, depth = nodes + 1, depth + 1
            elif kind is yaml.SequenceEndEvent or kind is yaml.MappingEndEvent:
                depth -= 1
            elif kind is yaml.AliasEvent or kind is yaml.StreamEndEvent:
                return
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError):
        return  # said better by whoever reads the text
    finally:
        loader.dispose()
    if nodes > MAX_NODES:
        mark = event.start_mark
        at = Span(mark.line + 1, mark.column + 1, mark.column + 2)
        problems.add("B0109", f"the text has more than {MAX_NODES:,} values", at=at)


def _build(text: str, problems: Problems, spelled: str) -> tuple[Builder, Exception | None]:
    """Read the events of a text, `spelled` as YAML has it; and what stopped the parser, if any."""
    builder = Builder(text, problems)
    loader = _Parser(spelled)
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
        head = text[:MAX_BYTES]
        line = 1 + (head.count("\n") if isinstance(head, str) else head.count(b"\n"))
        raise RecipeError.of(
            "B0109",
            f"the text is larger than {MAX_BYTES // 1024} KiB",
            file=file,
            span=Span(line, 1, 2),
            help="name what repeats under `blocks:`, and repeat it in a layout",
        )
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
