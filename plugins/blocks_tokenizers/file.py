"""A tokenizer that a file holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from pydantic import Field, PrivateAttr

from blocks import BuildError, Coder, Complaint, Sizes, Tokenizer
from blocks.tokenizer import FOLDER
from blocks_tokenizers.files import count_ids, find_file, open_files
from blocks_tokenizers.specs import specials

_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\]|^[/~]|^[A-Za-z]:")


class File(Tokenizer):
    """A tokenizer.json of the tokenizers library, or a sentencepiece *.model.

    Roles are those that a tokenizer_config.json beside it gives, and those that are said here.
    """

    needs_training = False

    path: str = Field(
        min_length=1, description="the file, or a folder that has one; beside the recipe, or below its folder"
    )
    pad: str | None = Field(None, min_length=1, description="token that fills rows up")
    bos: str | None = Field(None, min_length=1, description="token that begins a text")
    eos: str | None = Field(None, min_length=1, description="token that ends a text")
    unk: str | None = Field(None, min_length=1, description="token for what has no id")
    mask: str | None = Field(None, min_length=1, description="token in the place of what is masked")
    cls: str | None = Field(None, min_length=1, description="token that sums up a text")
    sep: str | None = Field(None, min_length=1, description="token between two texts")

    _file: Path | None = PrivateAttr(default=None)
    _size: int | None = PrivateAttr(default=None)
    _wrong: Complaint | None = PrivateAttr(default=None)

    @property
    def vocab_size(self) -> int | None:
        return self._size

    def beside(self, folder: Path | None) -> Self:
        """The same, with the file found and its ids counted; what is wrong with it, `check` says."""
        found = self.model_copy()
        if folder is None:
            return found
        try:
            found._file = find_file(found._where(folder))
            found._size = count_ids(found._file)
        except BuildError as error:
            (wrong,) = error.diagnostics
            found._wrong = Complaint("path", wrong.message, help=wrong.help, code=wrong.code)
        return found

    def kept(self) -> File:
        return self.model_copy(update={"path": f"{FOLDER}/{self._name()}"})

    def check(self, sizes: Sizes) -> Iterator[Complaint]:
        if self._wrong is not None:
            yield self._wrong

    def open(self, folder: Path | None) -> Coder:
        if folder is not None:
            named = folder / self._name()
            return open_files(named if named.is_file() else folder, specials(self))
        if self._wrong is not None:
            raise BuildError.of(self._wrong.code, self._wrong.message, help=self._wrong.help)
        if self._file is None:
            raise BuildError.of(
                "B1201",
                f"a recipe that is not in a file has no folder to look for {self.path} in",
                help="read the recipe from its file",
            )
        return open_files(self._file, specials(self))

    def _name(self) -> str:
        """What its file is called in a build folder."""
        return f"tokenizer{(self._file or Path(self.path)).suffix or '.json'}"

    def _where(self, folder: Path) -> Path:
        """The path from the recipe's folder, which it does not leave. Raises BuildError."""
        if _UNSAFE.search(self.path) or ".." in Path(self.path).parts:
            raise BuildError.of(
                "B1201",
                f"{self.path!r} is not a path below the recipe's folder",
                help="put the file beside the recipe, or below it: path: tokenizer.json",
            )
        return folder / self.path
