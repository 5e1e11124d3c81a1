"""One process at a time: a lock that the system takes back when its holder ends, however that ends."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(path: Path, waiting: Callable[[], object]) -> Iterator[bool]:
    """Hold the lock file until the block ends; `waiting` is called once where another process has it.

    Gives whether it is held: some file systems have no locks, and the block is run without one there.
    """
    if sys.platform == "win32":
        yield False
        return
    import fcntl

    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            yield False
            return
        yield True
