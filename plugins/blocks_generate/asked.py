"""The prompts of a command line: --prompt, --file, or what comes on stdin."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from blocks import BuildError, Diagnostic, UsageError

NOT_READ = "B1708"


def prompts_of(written: Sequence[str], file: Path | None, *, lines: bool) -> list[str]:
    """The prompts, as they are; a text from a file or from stdin without the line break at its end.

    Raises UsageError where nothing, or several things, say what they are; BuildError for what cannot be read.
    """
    if written and file is not None:
        raise UsageError.of(
            "B0805", "--prompt and --file both say what to continue", help="leave one of the two out"
        )
    if lines and written:
        raise UsageError.of("B0805", "--lines is for --file and for stdin", help="leave it out")
    if written:
        return list(written)
    if file is None:
        if sys.stdin is None or sys.stdin.isatty():
            raise UsageError.of(
                "B0805",
                "there is no prompt",
                help='--prompt "Once upon a time", --file F, or a text on stdin',
            )
        return _split(_text(sys.stdin.buffer.read(), "stdin"), lines)
    if not file.is_file():
        raise BuildError.of("B0801", f"there is no file {file}", file=str(file), help="--file F names a text")
    text = _text(file.read_bytes(), str(file))
    return _jsonl(text, file) if file.suffix == ".jsonl" else _split(text, lines)


def _text(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BuildError.of(
            NOT_READ, f"{name} is not UTF-8: byte {error.start:,} is {content[error.start]:#04x}",
            help="convert it, such as with iconv -f latin1 -t utf-8",
        ) from None  # fmt: skip


def _split(text: str, lines: bool) -> list[str]:
    whole = text.removesuffix("\n").removesuffix("\r")
    return whole.split("\n") if lines else [whole]


def _jsonl(text: str, file: Path) -> list[str]:
    """The prompt of each line that is not empty."""
    found: list[str] = []
    problems: list[Diagnostic] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            prompt = record["prompt"] if isinstance(record, dict) else record
        except (ValueError, KeyError) as error:
            reason = "no key `prompt`" if isinstance(error, KeyError) else str(error)
            problems.append(_odd(file, number, reason))
            continue
        if isinstance(prompt, str):
            found.append(prompt)
        else:
            problems.append(_odd(file, number, "the prompt is no text"))
    if not found and not problems:
        problems.append(Diagnostic(NOT_READ, f"{file} has no prompts", help=_FORM))
    if problems:
        raise BuildError(problems[:100])
    return found


_FORM = '{"prompt": "Once upon a time"}, one a line'


def _odd(file: Path, line: int, reason: str) -> Diagnostic:
    return Diagnostic(NOT_READ, f"{file}, line {line}: {reason}", help=_FORM)
