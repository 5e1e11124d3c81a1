"""Diagnostics as SARIF 2.1.0 (OASIS 2020), which code review shows beside the lines it is about.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html. Columns count Unicode code points, from 1; an
end column is exclusive, as in `Span`. A fingerprint is of the code and of the line's text, not of its number, so
that a finding stays the same one while lines above it come and go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from blocks import Diagnostic, __version__
from blocks.codes import CODES
from blocks.diagnostics import Span, split_lines

VERSION = "2.1.0"
SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
ROOT = "%SRCROOT%"
"""What relative names are relative to; whoever reads the log knows where that is."""


def sarif(diagnostics: Sequence[Diagnostic], sources: Mapping[str, str], root: Path) -> dict[str, Any]:
    """The log of one run. Files below `root` are named relative to it, so that a repository is found anywhere."""
    codes = sorted({diagnostic.code for diagnostic in diagnostics})
    lines = {file: split_lines(text) for file, text in sources.items()}
    seen: Counter[str] = Counter()
    results = []
    for diagnostic in diagnostics:
        mark = _fingerprint(diagnostic, lines, root)
        seen[mark] += 1
        result = {
            "ruleId": diagnostic.code,
            "ruleIndex": codes.index(diagnostic.code),
            "level": "error",
            "message": {"text": _message(diagnostic)},
            "locations": [_location(diagnostic.file, diagnostic.span, lines, root)]
            if diagnostic.file
            else [],
            "partialFingerprints": {"primaryLocationLineHash": f"{mark}:{seen[mark]}"},
        }
        related = [
            {
                "id": number,
                **_location(note.span.file or diagnostic.file, note.span, lines, root),
                "message": {"text": note.text},
            }
            for number, note in enumerate(diagnostic.notes, start=1)
            if note.span.file or diagnostic.file
        ]
        results.append({**result, "relatedLocations": related} if related else result)
    driver = {"name": "blocks", "semanticVersion": __version__, "rules": [_rule(code) for code in codes]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {ROOT: {"description": {"text": "the folder in which blocks check ran"}}},
        "results": results,
    }
    return {"$schema": SCHEMA, "version": VERSION, "runs": [run]}


def _rule(code: str) -> dict[str, Any]:
    entry = CODES[code]
    return {
        "id": code,
        "shortDescription": {"text": entry.title},
        "fullDescription": {"text": entry.explanation.partition("\n\n")[0]},
        "help": {"text": entry.explanation},
        "defaultConfiguration": {"level": "error"},
    }


def _message(diagnostic: Diagnostic) -> str:
    """The message, its label and its help as sentences; the first one begins as it was written."""
    text = diagnostic.message + (f" ({diagnostic.label})" if diagnostic.label else "")
    if not diagnostic.help:
        return text
    end = "" if diagnostic.help.endswith((".", "?", "!")) else "."
    return f"{text}. {diagnostic.help[0].upper()}{diagnostic.help[1:]}{end}"


def _location(
    file: str | None, span: Span | None, lines: Mapping[str, list[str]], root: Path
) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": _artifact(file or "", root)}
    if span is not None:
        place["region"] = {
            "startLine": span.line,
            "startColumn": span.column,
            "endColumn": max(span.end_column, span.column),
            **_snippet(file or "", span, lines),
        }
    return {"physicalLocation": place}


def _snippet(file: str, span: Span, lines: Mapping[str, list[str]]) -> dict[str, Any]:
    line = _line(file, span, lines)
    return {"snippet": {"text": line[span.column - 1 : span.end_column - 1]}} if line else {}


def _line(file: str, span: Span | None, lines: Mapping[str, list[str]]) -> str:
    text = lines.get(file, [])
    return text[span.line - 1] if span is not None and span.line <= len(text) else ""


def _artifact(file: str, root: Path) -> dict[str, Any]:
    """A file below the root relative to it, any other by an absolute URI."""
    path = Path(file).absolute()
    try:
        return {"uri": quote(path.relative_to(root.absolute()).as_posix()), "uriBaseId": ROOT}
    except ValueError:
        return {"uri": path.as_uri()}


def _fingerprint(diagnostic: Diagnostic, lines: Mapping[str, list[str]], root: Path) -> str:
    file = diagnostic.file or ""
    about = _line(file, diagnostic.span, lines).strip() or diagnostic.message
    parts = (diagnostic.code, _artifact(file, root)["uri"] if file else "", about)
    return sha256("\0".join(parts).encode(errors="replace")).hexdigest()[:16]
