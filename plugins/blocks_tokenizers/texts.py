"""The texts of files: plain text, or the field of each line of a JSONL file; compressed by gzip or not."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from blocks import BuildError
from blocks.suggest import did_you_mean

PIECE = 1 << 20
"""Characters of a long text that are looked at together, at least."""
_LINES = (".jsonl", ".ndjson")
_BREAK = re.compile(r"\n(?=\S)")


@dataclass(frozen=True, slots=True)
class Texts:
    """Files as texts, which can be gone through several times. Long ones come in pieces, cut where a line begins.

    Raises BuildError for a file that is missing, and while it is read for one that is no UTF-8 or has no such field.
    """

    files: Sequence[Path]
    field: str = "text"

    def __post_init__(self) -> None:
        for file in self.files:
            if not file.is_file():
                raise BuildError.of("B0801", f"there is no file {file}", help=_near(file))

    def __iter__(self) -> Iterator[str]:
        for file in self.files:
            try:
                yield from self._lines(file) if _suffix(file) in _LINES else _pieces(file)
            except UnicodeDecodeError as error:
                raise BuildError.of(
                    "B1207",
                    f"{file} is not UTF-8: {error.reason}, 0x{error.object[error.start]:02X}",
                    help="save the file as UTF-8",
                ) from None
            except (OSError, EOFError) as error:
                reason = getattr(error, "strerror", None) or error
                raise BuildError.of(
                    "B0802", f"{file} cannot be read: {reason}", help="name another file"
                ) from None

    def _lines(self, file: Path) -> Iterator[str]:
        with _opened(file) as stream:
            for number, line in enumerate(stream, start=1):
                if not line.strip():
                    continue
                try:
                    record: Any = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise _wrong(file, number, f"it is no JSON ({error})", "a JSON object a line") from None
                text = record.get(self.field) if isinstance(record, dict) else None
                if not isinstance(text, str):
                    names = ", ".join(record) if isinstance(record, dict) else ""
                    raise _wrong(
                        file, number, f"it has no text called {self.field!r}",
                        f"--field, one of: {names}" if names else 'such as {"text": "…"}',
                    )  # fmt: skip
                yield text


def _wrong(file: Path, number: int, what: str, help: str) -> BuildError:
    return BuildError.of("B1207", f"line {number:,} of {file}: {what}", help=help)


def _pieces(file: Path) -> Iterator[str]:
    left = ""
    with _opened(file) as stream:
        while part := stream.read(PIECE):
            left += part
            cuts = [match.end() for match in _BREAK.finditer(left)]
            if len(left) >= PIECE and cuts:
                yield left[: cuts[-1]]
                left = left[cuts[-1] :]
    if left:
        yield left


def _opened(file: Path) -> IO[str]:
    if file.suffix == ".gz":
        return gzip.open(file, "rt", encoding="utf-8", newline="")
    return file.open(encoding="utf-8", newline="")


def _suffix(file: Path) -> str:
    return (file.with_suffix("") if file.suffix == ".gz" else file).suffix


def _near(file: Path) -> str:
    try:
        names = sorted(path.name for path in file.parent.iterdir() if path.is_file())
    except OSError:
        return f"there is no folder {file.parent} either"
    near = did_you_mean(file.name, names)
    return f"did you mean {file.with_name(near)}?" if near else "name a text file, or a .jsonl"
