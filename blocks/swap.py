"""Putting a finished folder in its place: a kill at any point leaves the old one or the new one, never a mixture."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

_AT_FDCWD = {"linux": -100, "darwin": -2}
_EXCHANGE = {"linux": ("renameat2", 2), "darwin": ("renameatx_np", 2)}  # RENAME_EXCHANGE, RENAME_SWAP


@contextlib.contextmanager
def fresh_folder(target: Path) -> Iterator[Path]:
    """A new folder beside `target` to write into; it takes the target's place when the block ends without error.

    Everything in it is flushed to the disk first. On an error it is removed and the target stays as it was.
    Where the target is a link, the folder that it leads to is replaced.
    """
    target = target.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(target.parent, target.name)
    folder = target.parent / f".{target.name}.new-{os.getpid()}-{secrets.token_hex(4)}"
    folder.mkdir()
    try:
        yield folder
        for path in folder.rglob("*"):
            flush(path)
        flush(folder)
        replace(folder, target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def flush(path: Path) -> None:
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


def replace(new: Path, target: Path) -> None:
    """Put folder `new` at `target`. What stood there is gone, or at `new` for the caller to remove."""
    if not target.exists():
        new.rename(target)
    elif not _exchange(new, target):
        aside = target.parent / f".{target.name}.old-{os.getpid()}-{secrets.token_hex(4)}"
        target.rename(aside)
        try:
            new.rename(target)
        except OSError:
            aside.rename(target)
            raise
        try:
            aside.rename(new)
        except OSError:
            shutil.rmtree(aside, ignore_errors=True)
    flush(target.parent)


def recover(target: Path) -> None:
    """Finish what a kill interrupted on a system that cannot exchange folders: bring the old one back."""
    if target.exists() or not target.parent.is_dir():
        return
    for aside in sorted(target.parent.glob(f".{target.name}.old-*")):
        aside.rename(target)
        return


def _exchange(a: Path, b: Path) -> bool:
    """Exchange two paths in one step; false where the system or the file system cannot."""
    if sys.platform not in _EXCHANGE:
        return False
    name, flag = _EXCHANGE[sys.platform]
    try:
        rename = getattr(ctypes.CDLL(None, use_errno=True), name)
    except (OSError, AttributeError):
        return False
    here = _AT_FDCWD[sys.platform]
    if rename(here, os.fsencode(a), here, os.fsencode(b), flag) == 0:
        return True
    error = ctypes.get_errno()
    if error in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(error, os.strerror(error), str(b))


def remove_folder(folder: Path) -> None:
    """Remove a folder so that a kill leaves it whole or gone, or a leftover."""
    gone = folder.parent / f".{folder.name}.new-{os.getpid()}-{secrets.token_hex(4)}"
    folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def remove_leftovers(parent: Path, name: str = "*") -> None:
    """Remove the unfinished folders of processes that are gone, of one name or of all."""
    for folder in parent.glob(f".{name}.new-*"):
        process = folder.name.rpartition(".new-")[2].partition("-")[0]
        if process.isdigit() and not _alive(int(process)):
            shutil.rmtree(folder, ignore_errors=True)


def _alive(process: int) -> bool:
    if sys.platform == "win32":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
