"""A folder that is there whole or not at all: written beside its place, flushed to the disk, and renamed."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def fresh(target: Path) -> Iterator[Path]:
    """A folder to write into; at the end of the block it is `target`, in the place of what is damaged there.

    On an error it is removed.
    """
    folder = target.parent / f".{target.name}.new-{os.getpid()}-{secrets.token_hex(4)}"
    folder.mkdir()
    try:
        yield folder
        for path in (*folder.iterdir(), folder):
            _flush(path)
        shutil.rmtree(target, ignore_errors=True)
        folder.rename(target)
        _flush(target.parent)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def clear(target: Path) -> None:
    """Remove what processes that were killed have left; only while no other one can be writing."""
    for left in target.parent.glob(f".{target.name}.new-*"):
        shutil.rmtree(left, ignore_errors=True)


def _flush(path: Path) -> None:
    """fsync a file, or a folder where the system allows it."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:  # Windows opens no folders
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.EACCES):
            raise
    finally:
        os.close(handle)
