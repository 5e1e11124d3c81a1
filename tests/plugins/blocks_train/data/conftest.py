from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blocks import Coder, Registry
from blocks_train.data import Corpus


@dataclass(frozen=True)
class Library:
    """A coder of the tokenizers library."""

    tokenizer: Any
    roles: Mapping[str, int] = field(default_factory=dict)
    digest: str = "library"

    @property
    def vocab_size(self) -> int:
        return self.tokenizer.get_vocab_size()

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        return [self.encode(text) for text in texts]

    def decode(self, ids: Sequence[int]) -> str:
        return self.tokenizer.decode(list(ids), skip_special_tokens=False)

    def piece(self, id: int) -> str:
        return self.tokenizer.id_to_token(id)

    def save(self, folder: Path) -> None:
        self.tokenizer.save(str(folder / "tokenizer.json"))


@dataclass(frozen=True)
class Letters:
    """A coder whose ids are code points; nothing ends a text."""

    vocab_size: int = 0x110000
    roles: Mapping[str, int] = field(default_factory=dict)
    digest: str = "letters"

    def encode(self, text: str) -> list[int]:
        return [ord(letter) for letter in text]

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        return [self.encode(text) for text in texts]

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(map(chr, ids))

    def piece(self, id: int) -> str:
        return chr(id)

    def save(self, folder: Path) -> None:
        raise NotImplementedError


@pytest.fixture(scope="session")
def bytewise() -> Coder:
    """The coder of bytes; 0 ends a text."""
    return Registry.installed(plugins=False).find("tokenizer", "byte").load()().open(None)


@pytest.fixture(scope="session")
def letters() -> Coder:
    """The coder of code points, which nothing ends."""
    return Letters()


@pytest.fixture(scope="session")
def library() -> Callable[..., Coder]:
    """Make a coder of a tokenizer of the tokenizers library."""
    return Library


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def numbered(letters: Coder) -> Callable[..., Corpus]:
    """A corpus of documents of some lengths, whose tokens are 0, 1, 2 …, so that each says where it stands."""

    def make(*lengths: int) -> Corpus:
        bounds = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        tokens = np.arange(bounds[-1], dtype=np.uint32)
        return Corpus(tokens, bounds, np.diff(bounds), np.zeros((0, 2), np.int64), letters, "numbered")

    return make
