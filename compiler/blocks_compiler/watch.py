"""Waiting for files to change, by looking at them: no dependency, and every file system can do it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

Stamp: TypeAlias = tuple[int, int, int] | None
INTERVAL = 0.3
"""Seconds between two looks."""


def stamp(path: Path) -> Stamp:
    """What changes with a file: its time, size and identity; None where there is none."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def nap() -> None:
    """The time between two looks."""
    time.sleep(INTERVAL)


def changes(files: Callable[[], Iterable[Path]], wait: Callable[[], None] = nap) -> Iterator[set[Path]]:
    """The files that changed since the last look, each time that any did; `files` is asked before every look.

    A file that is new to the list has not changed. Ends when `wait` raises.
    """
    known = {path: stamp(path) for path in files()}
    while True:
        wait()
        now = {path: stamp(path) for path in files()}
        changed = {path for path, mark in now.items() if path in known and known[path] != mark}
        known = now
        if changed:
            yield changed
