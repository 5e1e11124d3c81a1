"""Headers of safetensors files: read without data, and believed only where they can be true."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from blocks import BuildError
from blocks_compiler.backends.shards import INDEX, SINGLE, same_bytes, stored


def write(path: Path, header: Any, data: bytes = b"", length: int | None = None) -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)


def test_what_the_library_writes_is_read(tmp_path: Path) -> None:
    tensors = {
        "a": torch.randn(3, 4),
        "b": torch.randn(5).bfloat16(),
        "c": torch.tensor(7),
        "d": torch.zeros(0, 3),
    }
    save_file(tensors, tmp_path / SINGLE, {"format": "pt"})
    found = stored(tmp_path)
    assert {name: entry.shape for name, entry in found.items()} == {
        n: tuple(t.shape) for n, t in tensors.items()
    }
    assert {name: entry.dtype for name, entry in found.items()} == {
        "a": "F32",
        "b": "BF16",
        "c": "I64",
        "d": "F32",
    }
    entry = found["a"]
    with entry.file.open("rb") as stream:
        stream.seek(entry.start)
        assert stream.read(entry.size) == tensors["a"].numpy().tobytes()


def test_same_bytes(tmp_path: Path) -> None:
    save_file(
        {"a": torch.ones(3), "b": torch.ones(3), "c": torch.zeros(3), "d": torch.ones(1, 3)},
        tmp_path / SINGLE,
    )
    found = stored(tmp_path)
    assert same_bytes(found["a"], found["b"])
    assert not same_bytes(found["a"], found["c"])
    assert not same_bytes(found["a"], found["d"])


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
WRONG: dict[str, tuple[Any, bytes, int | None]] = {
    "no header": (b"", b"", 0),
    "a length beyond the file": ({"a": ENTRY}, bytes(8), 1 << 40),
    "no JSON": (b"{'a'", bytes(8), None),
    "a list": ([1], bytes(8), None),
    "nested without end": (b"[" * 100_000, b"", None),
    "too few bytes": ({"a": ENTRY}, bytes(7), None),
    "too many bytes": ({"a": ENTRY}, bytes(9), None),
    "a shape that does not fit": ({"a": ENTRY | {"shape": [3]}}, bytes(8), None),
    "a negative shape": ({"a": ENTRY | {"shape": [-2]}}, bytes(8), None),
    "a shape of text": ({"a": ENTRY | {"shape": "2"}}, bytes(8), None),
    "true for a size": ({"a": ENTRY | {"shape": [True, 2]}}, bytes(8), None),
    "a strange dtype": ({"a": ENTRY | {"dtype": "F3"}}, bytes(8), None),
    "offsets backwards": ({"a": ENTRY | {"data_offsets": [8, 0]}}, bytes(8), None),
    "a gap": ({"a": ENTRY, "b": ENTRY | {"data_offsets": [9, 17]}}, bytes(17), None),
    "an overlap": ({"a": ENTRY, "b": ENTRY | {"data_offsets": [4, 12]}}, bytes(12), None),
    "a name twice": (b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":1}', bytes(1), None),
    "no shape": ({"a": {"dtype": "F32", "data_offsets": [0, 8]}}, bytes(8), None),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_header_that_cannot_be_true(name: str, tmp_path: Path) -> None:
    header, data, length = WRONG[name]
    write(tmp_path / SINGLE, header, data, length)
    with pytest.raises(BuildError) as refused:
        stored(tmp_path)
    assert {found.code for found in refused.value.diagnostics} == {"B1005"}


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / SINGLE).write_bytes(b"")
    with pytest.raises(BuildError, match="cut short"):
        stored(tmp_path)


INDICES = {
    "no JSON": "{",
    "no map": "{}",
    "a path out of the folder": '{"weight_map": {"a": "../model.safetensors"}}',
    "a file that is not there": '{"weight_map": {"a": "other.safetensors"}}',
    "a pickle": '{"weight_map": {"a": "model.bin"}}',
    "a tensor that the file has not": '{"weight_map": {"a": "model.safetensors", "z": "model.safetensors"}}',
    "a list": '{"weight_map": ["model.safetensors"]}',
}


@pytest.mark.parametrize("name", INDICES)
def test_an_index_that_cannot_be_true(name: str, tmp_path: Path) -> None:
    save_file({"a": torch.ones(3)}, tmp_path / SINGLE)
    (tmp_path / "model.bin").touch()
    (tmp_path / INDEX).write_text(INDICES[name])
    with pytest.raises(BuildError) as refused:
        stored(tmp_path)
    assert {found.code for found in refused.value.diagnostics} == {"B1005"}


def test_a_tensor_in_two_files(tmp_path: Path) -> None:
    for file in ("x.safetensors", "y.safetensors"):
        save_file({"a": torch.ones(3), file: torch.ones(1)}, tmp_path / file)
    places = {"a": "x.safetensors", "x.safetensors": "x.safetensors", "y.safetensors": "y.safetensors"}
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": places}))
    with pytest.raises(BuildError, match="again"):
        stored(tmp_path)


def test_pickles_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").touch()
    with pytest.raises(BuildError, match="pickled weights are never read"):
        stored(tmp_path)
