"""Tokenizers: what a recipe declares, and the coder that it becomes once it is trained or read.

A `Tokenizer` is what a recipe names. A `Coder` turns text into ids and back. `open_tokenizer` gives the coder of a
build folder, or of a tokenizer's own files.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, Self

from blocks.component import Component
from blocks.diagnostics import BuildError

if TYPE_CHECKING:
    from blocks.planned import Plan
    from blocks.registry import Registry

ROLES = ("pad", "bos", "eos", "unk", "mask", "cls", "sep")
"""What a special token is for: fills up, begins and ends a text, stands for the unknown and for what is masked,
sums up and separates."""

FOLDER = "tokenizer"
"""The folder of a build folder that holds the tokenizer's files."""
FILES = ("tokenizer.json", "*.model")
"""The files that a tokenizer is read from, as patterns."""


def quiet(step: str) -> None:
    """Say nothing."""


class Coder(Protocol):
    """Text to ids and back. Ids are 0 … vocab_size - 1."""

    @property
    def vocab_size(self) -> int:
        """One more than the largest id."""

    @property
    def roles(self) -> Mapping[str, int]:
        """The special tokens that it has: some of `ROLES` -> id."""

    @property
    def digest(self) -> str:
        """The sha256 of everything that ids depend on, in hex."""

    def encode(self, text: str) -> list[int]:
        """The ids of a text, and nothing before or after them.

        Raises BuildError for a character that has no id where there is no token for the unknown.
        """

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text; the same as one by one, and faster."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, special tokens included; bytes that form no text become U+FFFD. BuildError for no id."""

    def piece(self, id: int) -> str:
        """The token of an id as the vocabulary spells it. Raises BuildError where there is none."""

    def save(self, folder: Path) -> None:
        """Write tokenizer.json and tokenizer_config.json, as transformers reads them, into a folder that is there."""


class Tokenizer(Component):
    """From text to token ids and back, as a recipe declares it."""

    kind = "tokenizer"
    needs_training: ClassVar[bool] = True
    """Whether its vocabulary comes from a text that it is trained on."""
    has_files: ClassVar[bool] = True
    """Whether a build folder has to hold its files; not where the recipe says everything about it."""

    @property
    def vocab_size(self) -> int | None:
        """The number of ids; None: known once it is trained, and the recipe says how many there are at most."""
        return None

    def beside(self, folder: Path | None) -> Self:
        """The same tokenizer, knowing the recipe's folder, where files that it names are; None: there is no file."""
        return self

    def kept(self) -> Tokenizer:
        """What the lock file of a build folder names, whose folder `tokenizer` holds the coder's files."""
        return self

    def train(self, texts: Iterable[str], *, step: Callable[[str], None] = quiet) -> Coder:
        """The coder that some texts give; the same for the same texts. `step` is called as each part begins.

        Called once bound. Raises BuildError where the texts give none.
        """
        raise NotImplementedError(f"{type(self).__name__} must define train, or open without a folder")

    def open(self, folder: Path | None) -> Coder:
        """The coder whose files are in `folder`; None where there is none, for one that needs no training.

        Raises BuildError where it is missing or damaged.
        """
        raise NotImplementedError(f"{type(self).__name__} must define open")


def open_tokenizer(source: str | os.PathLike[str], *, registry: Registry | None = None) -> Coder:
    """The coder of a build folder, or of a folder or file with a tokenizer.json or a sentencepiece model.

    Of a run's folder, that of its newest checkpoint. In a build folder the lock file says which tokenizer it is, and
    `tokenizer/` holds its files, where it has some. Raises BuildError where there is none, or where it has more ids
    than the recipe has.
    """
    from blocks.registry import Registry

    path = Path(source)
    registry = registry or Registry.installed()
    if (path / "checkpoints").is_dir():
        from blocks import find_build

        path = find_build(path).folder
    if (path / "recipe.lock.yaml").is_file():
        return _of_build(path, registry)
    if not path.is_file() and not has_files(path):
        inner = path / FOLDER
        if not (inner.is_dir() and has_files(inner)):
            raise _none(path)
        path = inner
    return _of_files(path, registry)


def has_files(folder: Path) -> bool:
    """Whether a folder holds a tokenizer's files."""
    return any(any(folder.glob(pattern)) for pattern in FILES)


def coder_of(plan: Plan) -> Coder | None:
    """The coder that a plan's tokenizer is without any training; None where it needs some, or there is none."""
    if plan.tokenizer is None or plan.tokenizer.needs_training:
        return None
    return plan.tokenizer.open(None)


def check_coder(plan: Plan, coder: Coder) -> None:
    """Raise BuildError where a coder has more ids than the plan's vocabulary."""
    size = plan.sizes.vocab_size
    if size is not None and coder.vocab_size > size:
        raise BuildError.of(
            "B0310",
            f"vocab_size = {size:,} of {plan.name} is less than the {coder.vocab_size:,} ids of its tokenizer",
            help=f"at least {coder.vocab_size}",
        )


def _of_build(folder: Path, registry: Registry) -> Coder:
    from blocks import load

    plan = load(folder / "recipe.lock.yaml").plan(registry=registry)
    files = folder / FOLDER
    has = files.is_dir() and has_files(files)
    if plan.tokenizer is not None:
        coder = plan.tokenizer.open(files if has else None)
    elif has:
        coder = _of_files(files, registry)
    else:
        raise _none(folder)
    check_coder(plan, coder)
    return coder


def _of_files(path: Path, registry: Registry) -> Coder:
    reader: type[Tokenizer] = registry.find("tokenizer", "file").load()
    return reader.model_validate({"path": FILES[0]}).open(path)


def _none(folder: Path) -> BuildError:
    return BuildError.of(
        "B1201",
        f"{folder} has no tokenizer",
        help="a build folder whose recipe names a tokenizer, or a folder with a tokenizer.json or a *.model",
    )
