"""Tokenise once: records to memory-mapped files, under a hash of everything that they depend on.

A folder of the cache is named by its hash, and is there whole or not at all. A second process that wants the same waits
for the first, and reads what that wrote.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from blocks import BuildError, Coder
from blocks.diagnostics import Diagnostic, Problems, Span
from blocks.swap import fresh_folder
from blocks_train.data.columns import Column, Text, Writer, open_column
from blocks_train.data.corpus import Corpus
from blocks_train.data.identity import identities, size_of
from blocks_train.data.locks import locked
from blocks_train.data.reading import Reader, Record
from blocks_train.data.sources import Source, find
from blocks_train.data.steps import Step, quiet
from blocks_train.data.table import Table

FORMAT = 1
META = "columns.json"
BATCH = 1 << 22
"""Characters and numbers of records that are taken at once: what bounds the memory."""

Paths: TypeAlias = Sequence[str | Path] | Mapping[str, Sequence[str | Path]]


def prepare(
    paths: Sequence[str | Path],
    coder: Coder,
    cache: str | Path,
    *,
    field: str = "text",
    split: str | None = None,
    eos: bool = True,
    step: Step = quiet,
) -> Corpus:
    """The documents of files and datasets as token ids, from the cache if they were tokenised before.

    paths  files, folders, globs, or `hf:NAME:CONFIG@REVISION#SPLIT`; their order is that of the documents
    field  of JSONL, parquet and datasets, that holds the text
    split  what stands between the documents of a text: None (it is one), `lines`, `paragraphs`, or any other text
    eos    whether the tokenizer's token for the end of a text, where it has one, is put after each document

    Raises BuildError with everything that is wrong with the sources.
    """
    table = prepare_table(paths, {"text": Text(coder, field, eos)}, cache, split=split, step=step)
    return table.corpus("text")


def prepare_table(
    paths: Paths,
    columns: Mapping[str, Column],
    cache: str | Path,
    *,
    split: str | None = None,
    step: Step = quiet,
) -> Table:
    """The records of files and datasets with several columns: source and target, image and label.

    Each record has a field for every column; or `paths` is a mapping, and each column has files of its own: line n of
    all of them makes record n. Raises BuildError with everything that is wrong with the sources.
    """
    cache = Path(cache)
    split = split or ("lines" if isinstance(paths, Mapping) else None)
    sources = _find(paths)
    fields = {name: column.field or name for name, column in columns.items()}
    described = {name: column.describe() | {"field": fields[name]} for name, column in columns.items()}
    wanted = {"format": FORMAT, "split": split, "columns": described, "sources": identities(sources, step)}
    digest = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()
    target = cache / digest[:32]
    if (table := _opened(target, columns, digest)) is not None:
        return table
    with _writing(cache):
        cache.mkdir(parents=True, exist_ok=True)
        lock = cache / f".{target.name}.lock"
        with locked(lock, lambda: step("wait for another process that tokenises the same", 0, None)):
            if (table := _opened(target, columns, digest)) is not None:
                return table
            _write(target, sources, columns, fields, split, digest, step)
    table = _opened(target, columns, digest)
    assert table is not None, "what was just written is whole"
    return table


def texts(
    paths: Sequence[str | Path], *, field: str = "text", split: str | None = None, step: Step = quiet
) -> Iterator[str]:
    """The documents' texts, to train a tokenizer on; a long one comes in parts of about a million characters.

    Raises BuildError with everything that is wrong with the sources, those before it read to their end.
    """
    sources = find(paths)
    total = size_of(sources)
    problems = Problems()
    reader = Reader(split, problems)
    for record in reader.records(sources, [field]):
        step("read", reader.done, total)
        value = record.values[field]
        if not isinstance(value, str):
            problems.extend([_wrong_value(record, field, f"{type(value).__name__} is not a text")])
        elif not problems:
            yield value
    problems.raise_if_any(BuildError)


def _find(paths: Paths) -> dict[str, tuple[Source, ...]]:
    """The sources of each column; of all of them, under an empty name, where records have several."""
    if not isinstance(paths, Mapping):
        return {"": find(paths)}
    found: dict[str, tuple[Source, ...]] = {}
    problems = Problems()
    for name, some in paths.items():
        try:
            found[name] = find(some)
        except BuildError as error:
            problems.extend(error.diagnostics)
    problems.raise_if_any(BuildError)
    return found


def _all(sources: Mapping[str, Sequence[Source]]) -> list[Source]:
    return [source for some in sources.values() for source in some]


def _opened(target: Path, columns: Mapping[str, Column], digest: str) -> Table | None:
    """What is in the cache; None where it is not there, or not as it was written."""
    try:
        meta = json.loads((target / META).read_text(encoding="utf-8"))
        whole = meta["digest"] == digest and all(
            (target / name).stat().st_size == size for name, size in meta["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not whole:
        return None
    opened = {
        name: open_column(target, name, column, meta["columns"][name], digest)
        for name, column in columns.items()
    }
    return Table(opened, digest)


def _write(
    target: Path,
    sources: Mapping[str, Sequence[Source]],
    columns: Mapping[str, Column],
    fields: Mapping[str, str],
    split: str | None,
    digest: str,
    step: Step,
) -> None:
    problems = Problems()
    reader = Reader(split, problems)
    if "" in sources:
        records = reader.records(sources[""], list(fields.values()))
    else:
        records = reader.side_by_side({fields[name]: sources[name] for name in columns})
    total = size_of(_all(sources))
    count = 0
    with fresh_folder(target) as folder:
        with ExitStack() as files:
            writers = {name: column.writer(folder, name, files) for name, column in columns.items()}
            for batch in _batches(records, writers, fields, problems):
                count += sum(ends for _, ends in next(iter(batch.values())))
                for name, values in batch.items():
                    writers[name].add(values)
                step("tokenise", reader.done, total)
        problems.raise_if_any(BuildError)
        if count == 0:
            named = ", ".join(map(str, _all(sources)))
            raise BuildError.of("B1410", f"no documents in {named}", help="blank ones do not count")
        meta = {
            "digest": digest,
            "records": count,
            "columns": {name: writer.meta() for name, writer in writers.items()},
            "files": {path.name: path.stat().st_size for path in sorted(folder.iterdir())},
        }
        (folder / META).write_text(json.dumps(meta, indent=2) + "\n", encoding="utf-8")


def _batches(
    records: Iterator[Record], writers: Mapping[str, Writer], fields: Mapping[str, str], problems: Problems
) -> Iterator[dict[str, list[tuple[Any, bool]]]]:
    """Values to write by column, a few million characters or numbers at a time; none once there is a problem."""
    batch: dict[str, list[tuple[Any, bool]]] = {name: [] for name in writers}
    size = 0
    for record in records:
        values = {}
        for name, writer in writers.items():
            try:
                values[name] = writer.take(record.values[fields[name]])
            except ValueError as error:
                problems.extend([_wrong_value(record, fields[name], str(error))])
        if problems:
            if problems.full:
                break
            continue
        for name, value in values.items():
            batch[name].append((value, record.ends))
            size += len(value) if isinstance(value, str) else value.size
        size += 100
        if size >= BATCH:
            yield batch
            batch, size = {name: [] for name in writers}, 0
    if not problems and size:
        yield batch


def _wrong_value(record: Record, field: str, reason: str) -> Diagnostic:
    place = Span(record.line, 1, 2) if record.line is not None else None
    where = "" if record.line is not None else f"record {record.number}: "
    help = "every record needs a value of the same kind there; leave out those that have none"
    return Diagnostic("B1405", f"{where}{field!r}: {reason}", str(record.source), place, help=help)


@contextmanager
def _writing(cache: Path) -> Iterator[None]:
    """What the system does not let be written is told as such; sources that cannot be read were told before."""
    try:
        yield
    except OSError as error:
        help = "free some space there, or name another cache; what was tokenised before is as it was"
        raise BuildError.of("B0807", f"{error.strerror or error}: {cache}", help=help) from None
