"""The columns of records: what is written of each, and what is read again.

A column of text is `NAME.tokens` (uint16 or uint32), `NAME.bounds`, `NAME.sizes` and `NAME.marks` (int64):
`Corpus` says what they are. One of numbers is `NAME.values`, all of one shape.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blocks import BuildError, Coder
from blocks_train.data.corpus import Corpus
from blocks_train.data.encode import Chunks, encode

Meta = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Text:
    """A column of text, as token ids. `field` is its name in the records, the column's own where it is None.

    `eos` puts the tokenizer's token for the end of a text, where it has one, after each.
    """

    coder: Coder
    field: str | None = None
    eos: bool = True

    @property
    def end(self) -> int | None:
        """The id that is put after each text."""
        return self.coder.roles.get("eos") if self.eos else None

    def describe(self) -> Meta:
        """Everything that what is written depends on."""
        return {"kind": "text", "coder": self.coder.digest, "end": self.end}

    def writer(self, folder: Path, name: str, files: ExitStack) -> TextWriter:
        """What writes it; `files` closes its files."""
        return TextWriter(self, folder, name, files)


@dataclass(frozen=True, slots=True)
class Numbers:
    """A column of numbers, or of lists of them, all of one shape: labels, images."""

    dtype: str = "int64"
    field: str | None = None

    def describe(self) -> Meta:
        """Everything that what is written depends on."""
        return {"kind": "numbers", "dtype": self.dtype}

    def writer(self, folder: Path, name: str, files: ExitStack) -> NumberWriter:
        """What writes it; `files` closes its files."""
        return NumberWriter(self, folder, name, files)


class Writer(ABC):
    """Writes one column, a batch of records at a time."""

    def __init__(self, folder: Path, name: str, files: ExitStack, suffixes: Sequence[str]) -> None:
        self._files = {
            suffix: files.enter_context((folder / f"{name}.{suffix}").open("wb")) for suffix in suffixes
        }

    @abstractmethod
    def take(self, value: Any) -> Any:
        """The value in the form that `add` takes. Raises ValueError with what was expected."""

    @abstractmethod
    def add(self, values: Sequence[tuple[Any, bool]]) -> None:
        """Write values, or parts of them; each says whether it is whole with this."""

    @abstractmethod
    def meta(self) -> Meta:
        """What has to be known to read what was written."""

    def _write(self, suffix: str, values: NDArray[Any]) -> None:
        self._files[suffix].write(np.ascontiguousarray(values).data)


class TextWriter(Writer):
    """Encodes texts and writes their tokens."""

    def __init__(self, column: Text, folder: Path, name: str, files: ExitStack) -> None:
        super().__init__(folder, name, files, ("tokens", "bounds", "sizes", "marks"))
        self._column = column
        self._chunks = Chunks(column.coder)
        self._dtype = np.dtype("<u2" if column.coder.vocab_size <= 1 << 16 else "<u4")
        self._token = self._byte = self._began = 0
        self._write("bounds", np.zeros(1, np.int64))

    def take(self, value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError(f"{_short(value)} is not a text")
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError as error:
                raise ValueError(f"half a surrogate pair at character {error.start} is no text") from None
        return value

    def add(self, values: Sequence[tuple[str, bool]]) -> None:
        coder, end = self._column.coder, self._column.end
        chunks = [chunk for value in values for chunk in self._chunks.feed(value)]
        tokens: list[int] = []
        bounds, sizes, marks = [], [], []
        for chunk, ids in zip(chunks, encode(chunks, coder), strict=True):
            tokens += ids
            self._byte += len(chunk.text.encode())
            if not chunk.ends:
                marks.append((self._token + len(tokens), self._byte))
                continue
            if end is not None and ids[-1:] != [end]:
                tokens.append(end)
            bounds.append(self._token + len(tokens))
            sizes.append(self._byte - self._began)
            self._began = self._byte
        self._token += len(tokens)
        self._write("tokens", self._narrow(np.array(tokens, np.int64)))
        self._write("bounds", np.array(bounds, np.int64))
        self._write("sizes", np.array(sizes, np.int64))
        self._write("marks", np.array(marks, np.int64))

    def meta(self) -> Meta:
        return {"kind": "text", "dtype": self._dtype.name, "tokens": self._token}

    def _narrow(self, ids: NDArray[np.int64]) -> NDArray[Any]:
        size = self._column.coder.vocab_size
        if len(ids) and (ids.min() < 0 or ids.max() >= size):
            worst = int(ids.max() if ids.max() >= size else ids.min())
            raise BuildError.of(
                "B1409",
                f"the tokenizer gave the id {worst}, and says that it has {size:,} of them",
                help="the mistake is the tokenizer's: its vocab_size has to be one more than the largest id",
            )
        return ids.astype(self._dtype)


class NumberWriter(Writer):
    """Writes numbers of one shape, which is that of the first record."""

    def __init__(self, column: Numbers, folder: Path, name: str, files: ExitStack) -> None:
        super().__init__(folder, name, files, ("values",))
        self._dtype = np.dtype(column.dtype).newbyteorder("<")
        self._shape: tuple[int, ...] | None = None

    def take(self, value: Any) -> NDArray[Any]:
        try:
            found = np.asarray(value)
        except ValueError:
            raise ValueError("its lists are not of one length") from None
        if found.dtype.kind not in "biuf" or (found.dtype.kind == "f" and self._dtype.kind != "f"):
            raise ValueError(f"{_short(value)} is not of {self._dtype.name}")
        with np.errstate(over="ignore"):
            cast = found.astype(self._dtype)
        same = np.isfinite(cast).all() if self._dtype.kind == "f" else (cast == found).all()
        if not same:
            raise ValueError(f"{_short(value)} is beyond {self._dtype.name}")
        if self._shape is None:
            self._shape = cast.shape
        if cast.shape != self._shape:
            raise ValueError(f"a shape of {list(cast.shape)}, where the first has {list(self._shape)}")
        return cast

    def add(self, values: Sequence[tuple[NDArray[Any], bool]]) -> None:
        if values:
            self._write("values", np.stack([value for value, _ in values]))

    def meta(self) -> Meta:
        return {"kind": "numbers", "dtype": self._dtype.name, "shape": list(self._shape or ())}


Column = Text | Numbers


@dataclass(frozen=True)
class Array:
    """A column of numbers: values [N, …], mapped into memory."""

    values: NDArray[Any]

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> NDArray[Any]:
        return np.asarray(self.values[index])


def open_column(
    folder: Path, name: str, column: Column, meta: Mapping[str, Any], digest: str
) -> Corpus | Array:
    """A column as it was written."""
    if isinstance(column, Numbers):
        values = _mapped(folder / f"{name}.values", meta["dtype"])
        return Array(values.reshape(-1, *meta["shape"]))
    tokens = _mapped(folder / f"{name}.tokens", meta["dtype"])
    bounds, sizes, marks = (
        _mapped(folder / f"{name}.{what}", "int64") for what in ("bounds", "sizes", "marks")
    )
    return Corpus(tokens, bounds, sizes, marks.reshape(-1, 2), column.coder, digest)


def _mapped(path: Path, dtype: str) -> NDArray[Any]:
    kind = np.dtype(dtype).newbyteorder("<")
    return np.memmap(path, kind, "r") if path.stat().st_size else np.zeros(0, kind)


def _short(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
