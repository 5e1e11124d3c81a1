"""Which files and datasets hold the data: names, folders, globs and `hf:` names, found before anything is read."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from blocks import BuildError
from blocks.diagnostics import Diagnostic, Problems
from blocks.suggest import did_you_mean

Format: TypeAlias = Literal["text", "jsonl", "parquet"]
SUFFIXES: dict[str, Format] = {
    ".txt": "text",
    ".text": "text",
    ".md": "text",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
}
"""What the files of a folder are, by suffix; a named file is text unless its suffix is here. `.gz` may follow."""
_DATASET = re.compile(
    r"hf:(?P<name>[^:@#]+)(:(?P<config>[^:@#]+))?(@(?P<revision>[^@#]+))?"
    r"(#(?P<split>[\w.-]+)(\[:(?P<take>\d+)\])?)?"
)


@dataclass(frozen=True, slots=True)
class File:
    """A file, what it is, and whether it is compressed by gzip."""

    path: Path
    format: Format
    gzip: bool = False

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class Dataset:
    """A split of a dataset that the datasets library streams, from a hub or a folder; its first `take` records."""

    name: str
    config: str | None = None
    revision: str | None = None
    split: str = "train"
    take: int | None = None

    def __str__(self) -> str:
        config = f":{self.config}" if self.config else ""
        revision = f"@{self.revision}" if self.revision else ""
        take = "" if self.take is None else f"[:{self.take}]"
        return f"hf:{self.name}{config}{revision}#{self.split}{take}"

    @property
    def folder(self) -> Path | None:
        """The local folder that it is; None for one of a hub."""
        path = Path(self.name).expanduser()
        return path if path.is_dir() else None


Source: TypeAlias = File | Dataset


def find(names: Iterable[str | Path]) -> tuple[Source, ...]:
    """The sources that names stand for, each once: as named, and those of a folder or glob in order of their paths.

    Raises BuildError with every name that leads nowhere.
    """
    problems = Problems()
    found: dict[Source, None] = {}
    for name in names:
        found |= dict.fromkeys(_find(str(name), problems))
    problems.raise_if_any(BuildError)
    if not found:
        raise BuildError.of(
            "B1401", "no data is named", help="name files, folders or globs: --data texts/*.txt"
        )
    return tuple(found)


def _find(name: str, problems: Problems) -> Sequence[Source]:
    if name.startswith("hf:"):
        return _dataset(name, problems)
    path = Path(name).expanduser()
    try:
        if path.is_file():
            return [_file(path)]
        if path.is_dir():
            return _files(sorted(path.rglob("*")), name, "no file of it is data", problems, within=path)
        if glob.has_magic(name):
            matches = sorted(map(Path, glob.iglob(str(path), recursive=True)))  # noqa: PTH207 (it may be absolute)
            return _files(matches, name, "nothing matches it", problems)
        exists = path.exists()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        return _wrong(problems, "B0802", f"{name!r} cannot be read: {reason}", "name a file that can be")
    if exists:
        return _wrong(problems, "B0802", f"{name} is neither a file nor a folder", "name a file")
    meant = did_you_mean(path.name, _siblings(path))
    help = f"did you mean {path.with_name(meant)}?" if meant else "name a file, a folder, or a glob in quotes"
    return _wrong(problems, "B0801", f"no file {name}", help)


def _files(
    paths: Iterable[Path], name: str, nothing: str, problems: Problems, *, within: Path | None = None
) -> Sequence[File]:
    """The data files among paths: of a folder those of a known suffix that are not hidden, of a glob all."""
    files = [
        _file(path)
        for path in paths
        if path.is_file()
        and (within is None or (_suffix(path) in SUFFIXES and not _is_hidden(path.relative_to(within))))
    ]
    if not files:
        known = ", ".join(SUFFIXES)
        _wrong(
            problems,
            "B1401",
            f"{name}: {nothing}",
            f"of a folder, {known} are read, .gz too; a glob takes any",
        )
    return files


def _dataset(name: str, problems: Problems) -> Sequence[Dataset]:
    parts = _DATASET.fullmatch(name)
    if parts is None:
        help = "hf:NAME, hf:NAME:CONFIG@REVISION#SPLIT, hf:NAME#train[:1000]"
        return _wrong(problems, "B1401", f"{name!r} names no dataset", help)
    take = None if parts["take"] is None else int(parts["take"])
    return [Dataset(parts["name"], parts["config"], parts["revision"], parts["split"] or "train", take)]


def _file(path: Path) -> File:
    return File(path, SUFFIXES.get(_suffix(path), "text"), path.suffix.lower() == ".gz")


def _suffix(path: Path) -> str:
    return (path.with_suffix("") if path.suffix.lower() == ".gz" else path).suffix.lower()


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _siblings(path: Path) -> Iterator[str]:
    try:
        yield from sorted(other.name for other in path.parent.iterdir())
    except OSError:
        return


def _wrong(problems: Problems, code: str, message: str, help: str) -> tuple[()]:
    problems.extend([Diagnostic(code, message, help=help)])
    return ()
