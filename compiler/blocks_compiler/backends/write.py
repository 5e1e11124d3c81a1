"""Writing a file so that a reader sees the old one or the new one, never half of it."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from tempfile import NamedTemporaryFile

from blocks import BuildError
from blocks.render import plain

MAX_NAME = 255
"""Bytes of a file's name that common file systems take."""


def check_output(path: Path) -> None:
    """Refuse a name that is unsafe to write to, and a link, which may lead anywhere. Raises BuildError."""
    wrong = None
    if not path.name.strip(". "):
        wrong = "it names no file"
    elif path.name.startswith("-"):
        wrong = "other programs would take it for an option"
    elif any(unicodedata.category(char)[0] == "C" for char in str(path)):
        wrong = "it has control characters"
    elif max(len(os.fsencode(part)) for part in path.parts) > MAX_NAME:
        wrong = f"it is longer than {MAX_NAME} bytes"
    if wrong is not None:
        shown = plain(str(path) if len(str(path)) <= 80 else str(path)[:77] + "...")
        raise BuildError.of("B0810", f"nothing is written to {shown!r}: {wrong}", help="choose a plain name")
    if path.is_symlink() and path.parent not in _DEVICES:
        raise BuildError.of(
            "B0809", f"{path} is a link", help=f"name what it leads to: {plain(str(path.resolve()))}"
        )


_DEVICES = (Path("/dev"), Path("/dev/fd"), Path("/proc/self/fd"))


def write_bytes(path: Path, data: bytes) -> None:
    """Replace the file at once. Raises BuildError or OSError, and leaves what was there."""
    check_output(path)
    if path.is_symlink():  # /dev/stdout, wherever it leads
        with path.open("wb") as stream:
            stream.write(data)
        return
    if path.is_dir():
        raise IsADirectoryError(21, "it is a folder:", str(path))
    if path.exists() and not path.is_file():  # /dev/stdout and its like
        path.write_bytes(data)
        return
    if not path.parent.is_dir():
        raise FileNotFoundError(2, "there is no folder", str(path.parent))
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    try:
        temporary.chmod(path.stat().st_mode if path.exists() else usual_mode())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def usual_mode() -> int:
    """The permissions of a new file of this process."""
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask
