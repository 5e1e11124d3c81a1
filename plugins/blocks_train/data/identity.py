"""What identifies the contents of sources: their bytes. Names and dates of files do not count."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from blocks import BuildError
from blocks.diagnostics import Problems
from blocks_train.data.reading import unreadable
from blocks_train.data.records import builder_of, damaged
from blocks_train.data.sources import File, Source
from blocks_train.data.steps import Step


def identities(sources: Mapping[str, Sequence[Source]], step: Step) -> dict[str, list[Any]]:
    """What the contents of all sources are told apart by. Raises BuildError with all that cannot be read."""
    problems = Problems()
    found: dict[str, list[Any]] = {}
    done, total = 0, size_of(source for some in sources.values() for source in some)
    for name, some in sources.items():
        found[name] = []
        for source in some:
            try:
                found[name].append(_identity(source))
            except OSError as error:
                problems.extend([unreadable(source, error)])
            except BuildError as error:
                problems.extend(error.diagnostics)
            done += source.path.stat().st_size if isinstance(source, File) else 0
            step("compare with what is tokenised", done, total)
    problems.raise_if_any(BuildError)
    return found


def _identity(source: Source) -> list[Any]:
    if isinstance(source, File):
        return [source.format, source.gzip, _sha256(source.path)]
    asked = [source.config, source.split, source.take]
    if source.folder is not None:
        files = sorted(path for path in source.folder.rglob("*") if path.is_file())
        names = [path.relative_to(source.folder).as_posix() for path in files]  # they say which split it is
        return [*asked, *([name, _sha256(path)] for name, path in zip(names, files, strict=True))]
    try:
        builder = builder_of(source)
    except BuildError:
        raise
    except Exception as error:  # of any library below datasets, or of the network
        raise BuildError([damaged(str(source), "a dataset", error)]) from None
    return [*asked, source.name, builder.hash, str(builder.config.version)]


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def size_of(sources: Iterable[Source]) -> int | None:
    """Bytes of all files; None where a dataset is streamed."""
    sizes = [source.path.stat().st_size if isinstance(source, File) else None for source in sources]
    return None if None in sizes else sum(size or 0 for size in sizes)
