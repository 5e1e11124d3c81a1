"""The records of all sources, one after the other, with every mistake noted where it stands."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from typing import Any, BinaryIO, NamedTuple, cast

from blocks.diagnostics import Diagnostic, Problems
from blocks_train.data.records import damaged, from_dataset, from_jsonl, from_parquet
from blocks_train.data.sources import Dataset, File, Source
from blocks_train.data.text import documents


class Record(NamedTuple):
    """Values by field, or a part of a text: `ends` says whether it is whole with this.

    `line` is its place in a JSONL file, else None and `number` counts the records of its source from 1.
    """

    values: Mapping[str, Any]
    ends: bool
    source: Source
    number: int
    line: int | None = None


class Reader:
    """Reads sources; `done` is how many bytes of their files it has read."""

    def __init__(self, split: str | None, problems: Problems) -> None:
        self._split, self._problems = split, problems
        self._before = 0
        self._open: list[BinaryIO] = []

    @property
    def done(self) -> int:
        """Bytes of files read so far."""
        return self._before + sum(raw.tell() for raw in self._open)

    def records(
        self, sources: Sequence[Source], fields: Sequence[str], *, blank: bool = False
    ) -> Iterator[Record]:
        """The records of the sources. A text has one field, whatever its name; `blank` keeps its blank documents."""
        for source in sources:
            try:
                if isinstance(source, Dataset):
                    yield from _counted(source, from_dataset(source, fields, self._problems))
                else:
                    yield from self._of_file(source, fields, blank)
            except (gzip.BadGzipFile, EOFError, zlib.error) as error:
                self._problems.extend([damaged(str(source), "gzip", error)])
            except OSError as error:
                self._problems.extend([unreadable(source, error)])

    def side_by_side(self, sources: Mapping[str, Sequence[Source]]) -> Iterator[Record]:
        """Records whose fields stand in files of their own: line n of each field's files makes record n."""
        columns = [self._values(field, some) for field, some in sources.items()]
        first = next(iter(sources.values()))[0]
        counts = dict.fromkeys(sources, 0)
        for number, values in enumerate(zip_longest(*columns), start=1):
            for field, value in zip(sources, values, strict=True):
                counts[field] += value is not None
            if None not in values:
                yield Record(dict(zip(sources, values, strict=True)), True, first, number)
        if len(set(counts.values())) > 1 and not self._problems:
            shown = ", ".join(f"{field} has {count:,}" for field, count in counts.items())
            help = "line n of each belongs to line n of the others, blank lines included"
            self._problems.extend([Diagnostic("B1408", f"not as many lines: {shown}", help=help)])

    def _values(self, field: str, sources: Sequence[Source]) -> Iterator[Any]:
        before = ""
        for record in self.records(sources, [field], blank=True):
            value = record.values[field]
            if not record.ends:
                before += value
                continue
            yield before + value if before else value
            before = ""

    def _of_file(self, source: File, fields: Sequence[str], blank: bool) -> Iterator[Record]:
        name = str(source)
        if source.format == "parquet":
            yield from _counted(source, from_parquet(source.path, fields, self._problems))
            self._before += source.path.stat().st_size
            return
        with self._opened(source) as stream:
            if source.format == "jsonl":
                for line, values in from_jsonl(stream, name, fields, self._problems):
                    yield Record(values, True, source, line, line)
                return
            if len(fields) > 1:
                help = f"name the files of each: {' '.join(f'{field}=FILE' for field in fields)}"
                message = f"a text has no fields, and {', '.join(fields)} are asked for"
                self._problems.extend([Diagnostic("B1404", message, name, help=help)])
                return
            number = 1
            for text, ends in documents(stream, name, self._split, self._problems, blank=blank):
                yield Record({fields[0]: text}, ends, source, number)
                number += ends

    @contextmanager
    def _opened(self, source: File) -> Iterator[BinaryIO]:
        with source.path.open("rb") as raw:
            self._open.append(raw)
            try:
                yield cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if source.gzip else raw
            finally:
                self._before += raw.tell()
                self._open.remove(raw)


def _counted(source: Source, found: Iterator[Mapping[str, Any]]) -> Iterator[Record]:
    return (Record(values, True, source, number) for number, values in enumerate(found, start=1))


def unreadable(source: Source, error: OSError) -> Diagnostic:
    """What is said of a file that the system does not give."""
    return Diagnostic(
        "B0802", f"it cannot be read: {error.strerror or error}", str(source), help="make it readable"
    )
