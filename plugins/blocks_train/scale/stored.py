"""Tensors of safetensors files, one at a time: read as ranks need them, and written as they are gathered.

The format: eight bytes with the length of a JSON header, the header, the data of all tensors without gaps
(https://huggingface.co/docs/safetensors).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import safe_open
from torch import Tensor

from blocks_train.scale.ranks import Ranks
from blocks_train.scale.shards import like, whole

NAMES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
    torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip
Layout = Callable[[str], Tensor | None]
"""The tensor that one of this name is dealt like; None where each rank has it in full."""


class Stored(Mapping[str, Tensor]):
    """The tensors of a file; of those that `layout` has a sharded tensor of this shape for, this rank's part."""

    def __init__(self, path: Path, layout: Layout = lambda name: None) -> None:
        opened: Any = safe_open
        self._file: Any = opened(path, "pt")
        self._names = dict.fromkeys(sorted(self._file.keys()))
        self._layout = layout

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._names:
            raise KeyError(name)
        full: Tensor = self._file.get_tensor(name)
        model = self._layout(name)
        return like(full, model) if model is not None and model.shape == full.shape else full

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def write_gathered(tensors: Mapping[str, Tensor], path: Path, ranks: Ranks) -> None:
    """Gather tensors one after the other, in full, and write them to a file on rank 0.

    Where writing fails, gathering goes on to the end, as the other ranks do; then OSError is raised, on rank 0.
    """
    order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    sink = _Sink(path) if ranks.leads else None
    if sink is not None:
        sink.write(_header(tensors, order))
    for name in order:
        full = whole(tensors[name].detach())
        if sink is not None:
            sink.write(full.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        del full
    if sink is not None:
        sink.close()


class _Sink:
    """A file that is written as long as that goes well. `close` raises the OSError after which it did not."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream: BinaryIO | None = None
        self._failed: OSError | None = None

    def write(self, data: bytes | memoryview) -> None:
        if self._failed is not None:
            return
        try:
            if self._stream is None:
                self._stream = self._path.open("wb")
            self._stream.write(data)
        except OSError as error:
            self._failed = error

    def close(self) -> None:
        try:
            if self._stream is not None:
                self._stream.close()
        except OSError as error:
            self._failed = self._failed or error
        if self._failed is not None:
            raise self._failed


def _header(tensors: Mapping[str, Tensor], order: list[str]) -> bytes:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name in order:
        tensor = tensors[name]
        end = at + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
