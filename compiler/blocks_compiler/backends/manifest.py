"""What vouches for a build folder: manifest.json, with the sha256 of every file in it. No torch.

A run of training is a folder of build folders, RUN/checkpoints/step-00000200 and so on: it stands for the newest of
them that is whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from blocks import BuildError
from blocks.swap import recover, remove_folder, remove_leftovers

WEIGHTS, LOCK, MANIFEST = "model.safetensors", "recipe.lock.yaml", "manifest.json"
CHECKPOINTS, STEP = "checkpoints", "step-"
FORMAT = 1
DTYPES = ("float32", "float64", "bfloat16", "float16")


@dataclass(frozen=True, slots=True)
class Found:
    """A build folder that is whole, what its manifest says, and the newer ones that were passed over, with why."""

    folder: Path
    manifest: Mapping[str, Any]
    passed_over: tuple[tuple[Path, str], ...] = ()


def is_run(folder: Path) -> bool:
    """Whether a folder is that of a run: it holds checkpoints, and is no build folder itself."""
    return (folder / CHECKPOINTS).is_dir() and not (folder / MANIFEST).is_file()


def checkpoints(run: Path) -> list[Path]:
    """The checkpoints of a run, the newest first, whole or not."""
    folder = run / CHECKPOINTS
    for aside in folder.glob(f".{STEP}*.old-*"):
        recover(folder / aside.name[1:].partition(".old-")[0])
    found = [path for path in folder.glob(f"{STEP}*") if _step(path) is not None]
    return sorted(found, key=lambda path: _step(path) or 0, reverse=True)


def prune(run: Path, keep: int) -> None:
    """Remove all checkpoints of a run but the newest `keep`, and what killed processes left, as far as can be."""
    with suppress(OSError):
        remove_leftovers(run / CHECKPOINTS, f"{STEP}*")
        for path in checkpoints(run)[keep:]:
            remove_folder(path)


def find_build(folder: Path) -> Found:
    """The build folder at a path: itself, or the newest checkpoint of a run that is whole.

    Raises BuildError where there is none.
    """
    recover(folder.absolute())
    if not is_run(folder):
        return Found(folder, read_manifest(folder))
    passed: list[tuple[Path, str]] = []
    for path in checkpoints(folder):
        try:
            return Found(path, read_manifest(path), tuple(passed))
        except BuildError as error:
            passed.append((path, error.diagnostics[0].message))
    if passed:
        reasons = "; ".join(reason for _, reason in passed)
        raise BuildError.of(
            "B0804",
            f"no checkpoint of {folder} is whole: {reasons}",
            help="train it again, or restore a copy",
        )
    raise BuildError.of(
        "B0801",
        f"{folder} has no checkpoint yet",
        help="wait for the first one: blocks train writes it at once",
    )


def read_manifest(folder: Path) -> Mapping[str, Any]:
    """The manifest of a build folder, after every file that it names was held against its sha256.

    Raises BuildError where something is missing or damaged.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files = dict(manifest["files"])
    except FileNotFoundError:
        raise BuildError.of(
            "B0801",
            f"{folder} is not a build folder: it has no {MANIFEST}",
            help="blocks build RECIPE -o DIR",
        ) from None
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise damaged(folder, f"{MANIFEST}: {error}") from None
    if (
        manifest.get("format") != FORMAT
        or manifest.get("dtype") not in DTYPES
        or not {WEIGHTS, LOCK} <= files.keys()
    ):
        raise damaged(folder, f"{MANIFEST} has another format")
    for name, wanted in files.items():
        path = folder / name
        inside = PurePosixPath(name)
        outside = inside.is_absolute() or ".." in inside.parts or "\\" in name
        if outside or not path.is_file() or describe(path) != wanted:
            raise damaged(folder, f"{name} is missing or not what was written")
    return dict(manifest)


def damaged(folder: Path, reason: str) -> BuildError:
    """The error for a folder that is not what was written."""
    return BuildError.of("B0804", f"{folder} is damaged: {reason}", help="build it again")


def describe(path: Path) -> dict[str, Any]:
    """sha256 and size of a file, as a manifest has them."""
    with path.open("rb") as stream:
        return {"sha256": hashlib.file_digest(stream, "sha256").hexdigest(), "bytes": path.stat().st_size}


def _step(path: Path) -> int | None:
    number = path.name.removeprefix(STEP)
    return int(number) if number.isascii() and number.isdigit() else None
