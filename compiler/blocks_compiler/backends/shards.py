"""What the safetensors files of a folder hold: names, dtypes, shapes and places, read without their data.

The format: eight bytes with the length of a JSON header, the header, the data of all tensors without gaps
(https://huggingface.co/docs/safetensors). Several files have an index beside them. Nothing here needs torch, and
nothing that a header says is believed before it was checked against the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from blocks import BuildError
from blocks.diagnostics import Problems

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLES = (
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "tf_model.h5",
    "flax_model.msgpack",
    "rust_model.ot",
)
MAX_HEADER = 100_000_000
"""Bytes of a header that the format allows."""
BYTES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1,
    "U16": 2, "U32": 4, "U64": 8, "F8_E4M3": 1, "F8_E5M2": 1, "C64": 8,
}  # fmt: skip
"""Bytes of an element, by dtype."""
CHUNK = 1 << 24


@dataclass(frozen=True, slots=True)
class Stored:
    """One tensor of a file: `size` bytes from `start` on."""

    file: Path
    dtype: str
    shape: tuple[int, ...]
    start: int
    size: int


def stored(folder: Path) -> dict[str, Stored]:
    """The tensors of a folder by name. Raises BuildError with all that is wrong with its files."""
    files = _files(folder)
    problems = Problems(str(folder), "")
    found: dict[str, Stored] = {}
    for file, expected in files.items():
        held = _header(file, problems)
        twice = held.keys() & found.keys()
        if twice:
            problems.add(
                "B1005",
                f"{file.name} holds {_some(twice)} again, which another file has",
                help="fetch it again",
            )
        if expected is not None and expected != held.keys():
            wrong = _some(expected ^ held.keys())
            problems.add("B1005", f"{INDEX} and {file.name} disagree on {wrong}", help="fetch it again")
        found |= held
    problems.raise_if_any(BuildError)
    return found


def same_bytes(one: Stored, other: Stored) -> bool:
    """Whether two tensors hold the same, read piece by piece."""
    if (one.dtype, one.shape) != (other.dtype, other.shape):
        return False
    with one.file.open("rb") as left, other.file.open("rb") as right:
        left.seek(one.start)
        right.seek(other.start)
        for at in range(0, one.size, CHUNK):
            length = min(CHUNK, one.size - at)
            if left.read(length) != right.read(length):
                return False
    return True


def _files(folder: Path) -> dict[Path, set[str] | None]:
    """The files that hold the tensors, each with the names that an index gives it."""
    index = folder / INDEX
    if not index.is_file():
        if (folder / SINGLE).is_file():
            return {folder / SINGLE: None}
        pickles = [name for name in PICKLES if (folder / name).exists()]
        if pickles:
            raise BuildError.of(
                "B1006",
                f"{folder} has {pickles[0]}, and pickled weights are never read: they can run code",
                help="convert them: AutoModel.from_pretrained(…).save_pretrained(…) in a place you trust",
            )
        raise BuildError.of("B0801", f"{folder} has no {SINGLE}", help="name the folder of a checkpoint")
    try:
        found = json.loads(index.read_text(encoding="utf-8"))
        placed = {str(name): str(file) for name, file in found["weight_map"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, OSError, RecursionError) as error:
        raise BuildError.of("B1005", f"{index} cannot be read: {error}", help="fetch it again") from None
    files: dict[Path, set[str] | None] = {}
    for name, file in placed.items():
        if "/" in file or "\\" in file or not file.endswith(".safetensors") or not (folder / file).is_file():
            raise BuildError.of(
                "B1005", f"{INDEX} names {file[:80]!r}, which is not there", help="fetch it again"
            )
        names = files.setdefault(folder / file, set())
        assert names is not None
        names.add(name)
    return files


def _header(file: Path, problems: Problems) -> dict[str, Stored]:
    """The tensors of one file; findings where its header cannot be true."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if size < 8 or not 2 <= length <= min(MAX_HEADER, size - 8):
            problems.add(
                "B1005", f"{file.name} is not a safetensors file, or is cut short", help="fetch it again"
            )
            return {}
        text = stream.read(length)
    try:
        header = json.loads(text, object_pairs_hook=unique)
        header.pop("__metadata__", None)
        found = {name: _entry(file, entry, 8 + length) for name, entry in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        problems.add("B1005", f"the header of {file.name} cannot be read: {error}", help="fetch it again")
        return {}
    at = 8 + length
    for name, entry in sorted(found.items(), key=lambda item: (item[1].start, item[1].size)):
        if entry.start != at:
            problems.add(
                "B1005",
                f"{file.name}: the data of {name} does not begin where that before it ends",
                help="fetch it again",
            )
            return {}
        at += entry.size
    if at != size:
        problems.add(
            "B1005", f"{file.name} has {size:,} bytes where its header has {at:,}", help="fetch it again"
        )
        return {}
    return found


def _entry(file: Path, entry: Mapping[str, Any], offset: int) -> Stored:
    shape = tuple(entry["shape"])
    start, end = entry["data_offsets"]
    if not all(type(n) is int and n >= 0 for n in (*shape, start, end)):
        raise ValueError("a shape or an offset is no whole number")
    if entry["dtype"] not in BYTES:
        raise ValueError(f"the dtype {str(entry['dtype'])[:20]!r} is not known")
    if prod(shape) * BYTES[entry["dtype"]] != end - start:
        raise ValueError(f"{end - start:,} bytes cannot be {entry['dtype']} {list(shape)}")
    return Stored(file, entry["dtype"], shape, offset + start, end - start)


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose names stand once. Raises ValueError."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} stands twice")
    return found


def _some(names: set[str]) -> str:
    shown = sorted(names)
    return ", ".join(shown[:5]) + (f" and {len(shown) - 5:,} more" if len(shown) > 5 else "")
