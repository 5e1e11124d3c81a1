"""Findings about a recipe, placed by path: in its text, or in words where it was made in Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blocks.diagnostics import Diagnostic, Label, Problems, Span
from blocks.reader import Document
from blocks.validation import Path

_NOTHING = object()


class Reporter:
    """Collects problems about one recipe; `problems` holds what was found.

    `aliases` gives the characters of the recipe's sentence that stand for a path, and for all below it.
    """

    def __init__(
        self, document: Document | None, aliases: Mapping[Path, tuple[int, int]] | None = None
    ) -> None:
        self.document = document
        self.aliases: dict[Path, tuple[int, int]] = dict(aliases or {})
        self.problems = document.problems() if document else Problems()
        self.reports = 0
        """How often something was reported, findings that were known already included."""

    def start_again(self) -> Problems:
        """Begin a new collection; returns what was found until now."""
        found, self.problems = self.problems, self.document.problems() if self.document else Problems()
        return found

    def span(self, path: Path, *, key: bool = False) -> Span | None:
        """The place of a path in the recipe's text; None for a recipe made in Python."""
        if self.document is None:
            return None
        alias = self._alias(path)
        return self.document.within(("model",), *alias) if alias else self.document.span(path, key=key)

    def _alias(self, path: Path) -> tuple[int, int] | None:
        if not self.aliases:
            return None
        prefixes = (path[:end] for end in range(len(path), 0, -1))
        return next((self.aliases[prefix] for prefix in prefixes if prefix in self.aliases), None)

    def report(
        self,
        code: str,
        message: str,
        path: Path,
        *,
        key: bool = False,
        label: str = "",
        help: str | None = None,
        related: tuple[tuple[Path, str], ...] = (),
        within: tuple[int, int] | None = None,
    ) -> None:
        """Note a problem at a path; `within` narrows it to characters of the text there."""
        self.reports += 1
        if self.document is None:
            place = "model" if self._alias(path) else ".".join(map(str, path))
            self.problems.extend([Diagnostic(code, f"{place}: {message}" if place else message, help=help)])
            return
        narrow = within is not None and self._alias(path) is None
        span = self.document.within(path, *within) if within and narrow else self.span(path, key=key)
        places = (
            (self.span(other, key=self._is_wide(other)), text)
            for other, text in related
            if self.written(other)
        )
        notes = tuple(Label(place, text) for place, text in places if place is not None)
        self.problems.add(code, message, at=span, label=label, notes=notes, help=help)

    def _is_wide(self, path: Path) -> bool:
        """Whether a mapping stands there, so that its key names it better than all of it."""
        return isinstance(self._value(path), Mapping)

    def written(self, path: Path) -> bool:
        """Whether the text has a value at this path."""
        if path in self.aliases:
            return True
        return self._value(path) is not _NOTHING

    def _value(self, path: Path) -> Any:
        here: Any = self.document.value if self.document else _NOTHING
        for part in path:
            inside = (
                part in here
                if isinstance(here, Mapping)
                else isinstance(here, list) and part in range(len(here))
            )
            if not inside:
                return _NOTHING
            here = here[part]
        return here
