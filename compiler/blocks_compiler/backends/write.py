"""Writing a file so that a reader sees the old one or the new one, never half of it."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import NamedTemporaryFile


def write_bytes(path: Path, data: bytes) -> None:
    """Replace the file at once. Raises OSError, and leaves what was there."""
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
        temporary.chmod(path.stat().st_mode if path.exists() else 0o666 & ~_umask())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
