"""Records of JSONL, parquet and streamed datasets: the values of the fields that are asked for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from blocks import BuildError
from blocks.diagnostics import Diagnostic, Problems, Span
from blocks.suggest import did_you_mean
from blocks_train.data.sources import Dataset
from blocks_train.data.text import not_utf8

Values: TypeAlias = Mapping[str, Any]
"""The values of one record, by field."""


def from_jsonl(
    stream: BinaryIO, name: str, fields: Sequence[str], problems: Problems
) -> Iterator[tuple[int, Values]]:
    """The records of a text with one JSON object a line, and their lines; blank ones are left out."""
    offset = 0
    lacking_only = True  # no line had the fields yet
    for number, raw in enumerate(stream, start=1):
        line, start, offset = raw, offset, offset + len(raw)
        if number == 1 and line.startswith(b"\xef\xbb\xbf"):
            line, start = line[3:], start + 3
        if not line.strip():
            continue
        try:
            text = line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            column = len(line[: error.start].decode("utf-8")) + 1
            problems.extend([not_utf8(name, number, column, start + error.start, line[error.start])])
            continue
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            column = getattr(error, "colno", 1)
            reason = getattr(error, "msg", "") or "it is nested too deeply"
            problems.extend([_not_json(name, number, column, reason)])
            continue
        if not isinstance(record, dict):
            problems.extend([_not_json(name, number, 1, f"{_kind(record)}, where an object was expected")])
            continue
        if lacking := [field for field in fields if field not in record]:
            at = Span(number, 1, 2)
            problems.extend(_missing(field, record, name, at) for field in lacking)
            if lacking_only:
                return  # so it will be with the others
            continue
        lacking_only = False
        yield number, {field: record[field] for field in fields}


def from_parquet(path: Path, fields: Sequence[str], problems: Problems) -> Iterator[Values]:
    """The records of a parquet file, some hundred at a time in memory. Needs pyarrow."""
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise needs("pyarrow", f"{path} is parquet") from None
    try:
        with ParquetFile(path) as file:
            known = file.schema_arrow.names
            if lacking := [field for field in fields if field not in known]:
                problems.extend(_missing(field, known, str(path)) for field in lacking)
                return
            for batch in file.iter_batches(256, columns=list(fields)):
                yield from batch.to_pylist()
    except (ArrowException, OSError) as error:
        problems.extend([damaged(str(path), "parquet", error)])


def from_dataset(source: Dataset, fields: Sequence[str], problems: Problems) -> Iterator[Values]:
    """The records of a dataset, streamed. Needs the datasets library."""
    try:
        builder = builder_of(source)
        stream = builder.as_streaming_dataset(split=source.split)
        if source.take is not None:
            stream = stream.take(source.take)
        for record in stream:
            if lacking := [field for field in fields if field not in record]:
                problems.extend(_missing(field, record, str(source)) for field in lacking)
                return
            yield {field: record[field] for field in fields}
    except BuildError:
        raise
    except Exception as error:  # of any library below datasets
        problems.extend([damaged(str(source), "a dataset", error)])


def builder_of(source: Dataset) -> Any:
    """What the datasets library knows of a dataset before it is read. Raises BuildError where it is not installed."""
    try:
        from datasets import load_dataset_builder
    except ImportError:
        raise needs("datasets", f"{source} is streamed") from None
    folder = source.folder
    name = str(folder) if folder else source.name
    return load_dataset_builder(name, source.config, revision=source.revision)


def needs(library: str, why: str) -> BuildError:
    """What is said where an optional library is not installed."""
    return BuildError.of("B0806", f"{why}, which {library} reads", help="pip install 'blocks-dsl[data]'")


def damaged(name: str, format: str, error: BaseException) -> Diagnostic:
    """What is said of a source that its own library cannot read."""
    reason = " ".join(str(error).split()) or type(error).__name__
    short = reason if len(reason) <= 200 else f"{reason[:197]}..."
    help = "check that it is whole, and that its name is right"
    return Diagnostic("B1406", f"it cannot be read as {format}: {short}", name, help=help)


def _not_json(name: str, line: int, column: int, reason: str) -> Diagnostic:
    help = "write one JSON object a line; no line breaks within it"
    return Diagnostic(
        "B1403", f"not a JSON record: {reason}", name, Span(line, column, column + 1), help=help
    )


def _missing(field: str, known: Iterable[str], name: str, at: Span | None = None) -> Diagnostic:
    names = list(known)
    meant = did_you_mean(field, names)
    help = (
        f"did you mean {meant!r}?" if meant else f"it has {', '.join(map(repr, names[:20])) or 'no fields'}"
    )
    return Diagnostic("B1404", f"no field {field!r}", name, at, help=help)


def _kind(value: Any) -> str:
    return {list: "a list", str: "a text", type(None): "null", bool: "true or false"}.get(
        type(value), "a number"
    )
