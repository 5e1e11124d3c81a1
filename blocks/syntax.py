"""What the YAML parser stumbled over, in plain words, and where the trouble began."""

from __future__ import annotations

import re
from typing import Any

import yaml

from blocks.builder import LOOK_FOR_BRACKETS, TOO_DEEP, Builder
from blocks.diagnostics import Label, Problems, Span
from blocks.render import plain


def explain_syntax(error: yaml.MarkedYAMLError, builder: Builder, problems: Problems) -> None:
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

    if "nesting depth" in problem:  # of libyaml, far beyond ours
        problems.add("B0109", TOO_DEEP, at=at, help=LOOK_FOR_BRACKETS)
    elif char == "\t" or ("\t" in lead and ("expected" in problem or "cannot start" in problem)):
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
        help = "close it with the same quote"
        problems.add("B0112", "this quote is never closed", at=begun, label="opened here", help=help)
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
        message = "a recipe is one document, here text follows its end"
        problems.add("B0108", message, at=at, help="delete it, or mend the indentation above")
    elif "expected" in problem and "block" in context:
        what = "a list item (`- `)" if "sequence" in context or "collection" in context else "a key"
        notes = [Label(begun, "it began here")] if begun != at else []
        problems.add("B0102", f"expected {what} here", at=at, notes=notes, help="check the indentation")
    elif "cannot start any token" in problem:
        problems.add(
            "B0102", f"a value cannot start with `{plain(char)}`", at=at, help="put the text in quotes"
        )
    elif "node content" in problem:
        problems.add("B0102", "a value is missing here", at=at, help="write it, or leave a comma out")
    else:
        message = f"this is not valid YAML: {plain(problem or context)}"
        problems.add("B0102", message, at=at, help="put the text in quotes, or mend the indentation")


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
