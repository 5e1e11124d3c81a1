"""Findings about a recipe, placed by path: in its text, or in words where it was made in Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blocks.diagnostics import Diagnostic, Label, Problems, Span
from blocks.reader import Document
from blocks.validation import Path


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
        places = ((self.span(other), text) for other, text in related if self.written(other))
        notes = tuple(Label(place, text) for place, text in places if place is not None)
        self.problems.add(code, message, at=span, label=label, notes=notes, help=help)

    def written(self, path: Path) -> bool:
        """Whether the text has a value at this path."""
        if path in self.aliases:
            return True
        here: Any = self.document.value if self.document else None
        for part in path:
            inside = part in here if isinstance(here, Mapping) else _has(here, part)
            if not inside:
                return False
            here = here[part]
        return True


def _has(here: Any, index: str | int) -> bool:
    return isinstance(here, list) and isinstance(index, int) and index < len(here)
