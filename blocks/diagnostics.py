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

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

MAX_PROBLEMS = 100


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `column` to `end_column` (exclusive) of one line; lines and columns count from 1.

    `file` names another file than the one that is spoken of: that of a recipe which this one extends.
    """

    line: int
    column: int
    end_column: int
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """A second place that explains the first one, underlined with dashes."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding. `label` is the text after the carets; `blocks why CODE` explains the code.

    A span without a file lies in `file`; that of a note may name another one.
    """

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
        from blocks.render import render

        return render(self.diagnostics, self.sources)


class BlocksWarning(UserWarning):
    """Something that went otherwise than asked, and stops nothing; the program prints it as a line on stderr."""


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
    """Collects the findings about one file: in order of place, without repeats, at most `MAX_PROBLEMS`.

    `others` are the texts of further files that its parts come from, by name.
    """

    def __init__(
        self, file: str | None = None, text: str = "", others: Mapping[str, str] | None = None
    ) -> None:
        self.file = file
        self.text = text
        self.others = dict(others or {})
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
        """Note one finding at a place of this file, of another that it names, or about the file as a whole."""
        file = (at.file if at is not None else None) or self.file
        placed = tuple(Label(self._seen_from(file, note.span), note.text) for note in notes)
        span = replace(at, file=None) if at is not None and at.file else at
        self.extend([Diagnostic(code, message, file, span, label, placed, help)])

    def _seen_from(self, file: str | None, span: Span) -> Span:
        """The same place in a finding about `file`, where no file means that one."""
        own = span.file or self.file
        return replace(span, file=None if own == file else own)

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
        found = sorted(self._found, key=lambda d: (d.file != self.file, _position(d)))
        if self._left_out:
            help = "mend these first: others may follow from them"
            message = f"{self._left_out} more problems are not shown"
            found.append(Diagnostic("B0100", message, self.file, help=help))
        return tuple(found)

    @property
    def sources(self) -> dict[str, str]:
        """The texts by file name, ready for an error."""
        return self.others | ({self.file: self.text} if self.file is not None else {})

    def raise_if_any(self, error: type[BlocksError] = RecipeError) -> None:
        """Raise `error` with everything found; do nothing if all is well."""
        if self._found:
            raise error(self.diagnostics, self.sources)


def _position(diagnostic: Diagnostic) -> tuple[str, int, int, str, str]:
    span = diagnostic.span or Span(0, 0, 0)
    return (diagnostic.file or "", span.line, span.column, diagnostic.code, diagnostic.message)


def split_lines(text: str) -> list[str]:
    """Split at the line breaks of YAML 1.2 only (LF, CR, CRLF) as the parser does."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
