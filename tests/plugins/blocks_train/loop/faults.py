"""Makes the disk fail: at the n-th call that writes, flushes, renames or makes something."""

import builtins
import errno
import io
import os
from pathlib import Path

import pytest
import safetensors.torch
from safetensors import SafetensorError


class Faults:
    """Counts what goes to the disk below `folder`, and fails the call of number `at`, with "no space left"."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, at: int) -> None:
        self.at, self.count, self.failed = at, 0, ""
        self.folder = str(folder)
        self.open = builtins.open
        for name in ("fsync", "rename", "replace", "mkdir"):
            monkeypatch.setattr(os, name, self.failing(name, getattr(os, name)))
        monkeypatch.setattr(
            safetensors.torch, "serialize_file", self.serialized(safetensors.torch.serialize_file)
        )
        monkeypatch.setattr(io, "open", self.opened)  # which pathlib uses
        monkeypatch.setattr(builtins, "open", self.opened)

    def strike(self, what: str) -> None:
        self.count += 1
        if self.count == self.at:
            self.failed = what
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def failing(self, name, function):
        def call(*args, **options):
            self.strike(name)
            return function(*args, **options)

        return call

    def serialized(self, function):
        """Half a file, and the error that safetensors makes of it."""

        def call(tensors, path, metadata=None):
            try:
                self.strike(f"serialize {path}")
            except OSError as error:
                function(dict(list(tensors.items())[: len(tensors) // 2]), path, metadata=metadata)
                reason = f"Error while serializing: I/O error: {error.strerror} (os error {error.errno})"
                raise SafetensorError(reason) from None
            return function(tensors, path, metadata=metadata)

        return call

    def opened(self, file, mode="r", *args, **options):
        if not (
            isinstance(file, str | os.PathLike)
            and str(file).startswith(self.folder)
            and set(mode) & set("wax+")
        ):
            return self.open(file, mode, *args, **options)
        self.strike(f"open {file}")
        stream = self.open(file, mode, *args, **options)
        return Written(stream, self)


class Written:
    """An open file whose writes can fail, one after half of it was written."""

    def __init__(self, stream, faults: Faults) -> None:
        self.stream, self.faults = stream, faults

    def write(self, data):
        try:
            self.faults.strike(f"write {self.stream.name}")
        except OSError:
            self.stream.write(data[: len(data) // 2])
            raise
        return self.stream.write(data)

    def __getattr__(self, name):
        return getattr(self.stream, name)

    def __enter__(self):
        return self

    def __exit__(self, *about):
        self.stream.close()

    def __iter__(self):
        return iter(self.stream)
