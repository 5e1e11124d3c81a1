"""The folder of a run: what was asked, what was measured, and its checkpoints.

run.json         what was asked, and by which versions
metrics.jsonl    a line a step and a line an evaluation
checkpoints/     build folders: blocks_train.loop.checkpoints
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from blocks import BuildError

RUN, METRICS, LOCK = "run.json", "metrics.jsonl", ".lock"
FORMAT = 1


@contextlib.contextmanager
def locked(run: Path) -> Iterator[None]:
    """Keep other processes from training into the same folder. Raises BuildError where one does."""
    run.mkdir(parents=True, exist_ok=True)
    with (run / LOCK).open("a+b") as stream:
        if not _lock(stream):
            raise BuildError.of("B1501", f"{run} is in use by another process", help="choose another with -o")
        yield


def write_run(run: Path, asked: Mapping[str, Any]) -> None:
    """Write run.json at once. Raises OSError."""
    write_whole(run / RUN, json.dumps({"format": FORMAT, **asked}, indent=2, ensure_ascii=False) + "\n")


def read_run(run: Path) -> dict[str, Any] | None:
    """What was asked of the run in this folder; None where there is none. Raises BuildError where it is unreadable."""
    try:
        asked = json.loads((run / RUN).read_text(encoding="utf-8"))
        form = asked.pop("format")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, AttributeError, TypeError, OSError) as error:
        raise BuildError.of("B0804", f"{run / RUN} cannot be read: {error}", help="restore a copy") from None
    if form != FORMAT:
        raise BuildError.of(
            "B0804", f"{run} was written by another version", help="go on with the version that it names"
        )
    return dict(asked)


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What two askings differ in, a line each: `d_model: 128 in the run, 64 now`."""
    old, new = dict(_leaves(before)), dict(_leaves(now))
    return [
        f"{path}: {_shown(old, path)} in the run, {_shown(new, path)} now"
        for path in dict.fromkeys((*old, *new))
        if old.get(path, ...) != new.get(path, ...)
    ]


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping | list) and value:
        rows = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, inner in rows:
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def _shown(leaves: Mapping[str, Any], path: str) -> str:
    if path not in leaves:
        return "not said"
    text = json.dumps(leaves[path], ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def write_whole(path: Path, text: str) -> None:
    """Replace a file at once, flushed to the disk. Raises OSError, and leaves what was there."""
    new = path.with_name(f".{path.name}.new")
    try:
        with new.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise


def cut_metrics(run: Path, step: int) -> None:
    """Remove lines of steps past a checkpoint, which will be measured again, and what a kill left of a line."""
    path = run / METRICS
    if not path.is_file():
        return
    kept = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            if json.loads(line)["step"] <= step:
                kept.append(f"{line}\n")
    write_whole(path, "".join(kept))


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """All lines, in order; what is no line is left out."""
    found = []
    path = run / METRICS
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    for line in lines:
        with contextlib.suppress(ValueError):
            found.append(json.loads(line))
    return found


def _lock(stream: IO[bytes]) -> bool:
    """Take the lock of an open file, which the system gives back when the process ends; false where another has it."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        try:
            stream.seek(0)
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True
