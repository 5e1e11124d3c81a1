"""A trained model with rows for further tokens, in its embedding and its head."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from blocks import (
    BuildError,
    Coder,
    Recipe,
    Registry,
    build,
    compile_graph,
    from_pretrained,
    load,
    save_build,
)
from blocks.reader import read
from blocks.tokenizer import FOLDER

KEY = "vocab_size"
COMPANIONS = ("config.json", "generation_config.json")
"""What an import has beside the tokenizer's own files."""


@dataclass(frozen=True, slots=True)
class Resized:
    """What became of a model: rows of its vocabulary, parameters, and the tensors that have more rows."""

    rows: int
    parameters: int
    resized: tuple[str, ...]


def write_larger(
    source: Path,
    target: Path,
    coder: Coder,
    larger: Coder,
    *,
    registry: Registry,
    step: Callable[[str], None],
) -> Resized:
    """Write the build folder of a model that knows the tokens of `larger` as well as those of `coder`.

    Rows of old tokens keep every bit. A new one is the mean of the rows of the pieces that it was made of before.
    Raises BuildError.
    """
    step("read the model")
    model = from_pretrained(source, registry=registry)
    model.eval()
    dtype = str(next(model.parameters()).dtype).removeprefix("torch.")
    old = load(str(model.recipe)).plan(registry=registry).sizes.vocab_size
    if old is None:
        raise _no_rows(source)
    rows = max(old, larger.vocab_size)
    step("add rows")
    recipe = with_vocabulary(str(model.recipe), old, rows)
    more = build(recipe, dtype=dtype, registry=registry)
    # one row more than there is: what has another shape then has a row a token, whether any are added or not
    wider = build(
        with_vocabulary(str(model.recipe), old, rows + 1), device="meta", dtype=dtype, registry=registry
    )
    resized = resize(model, more, wider, sources(coder, larger))
    if not resized:
        raise _no_rows(source)
    step("write the folder")
    folder = source / FOLDER
    beside = {f"{FOLDER}/{name}": folder / name for name in COMPANIONS if (folder / name).is_file()}
    save_build(
        more.eval(),
        compile_graph(recipe, registry=registry, dtype=dtype),
        target,
        coder=larger,
        beside=beside,
        registry=registry,
    )
    return Resized(rows, sum(parameter.numel() for parameter in more.parameters()), tuple(resized))


def with_vocabulary(text: str, old: int, new: int) -> Recipe:
    """A canonical recipe with another number of ids, wherever it has the old one, and its tokenizer in a file."""
    said: Any = read(text).value

    def changed(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: new if key == KEY and inner == old else changed(inner) for key, inner in value.items()
            }
        return [changed(inner) for inner in value] if isinstance(value, list) else value

    said = changed(said) | {"tokenizer": {"file": {"path": f"{FOLDER}/tokenizer.json"}}}
    return load(json.dumps(said, ensure_ascii=False) + "\n")


def sources(coder: Coder, larger: Coder) -> dict[int, list[int]]:
    """New id -> the ids that its text had before; none where it had none of its own."""
    found: dict[int, list[int]] = {}
    for id in range(coder.vocab_size, larger.vocab_size):
        try:
            found[id] = coder.encode(larger.decode([id]))
        except BuildError:  # a character without an id
            found[id] = []
    return found


@torch.no_grad()
def resize(
    model: nn.Module, more: nn.Module, wider: nn.Module, pieces: dict[int, list[int]]
) -> Sequence[str]:
    """Copy the weights of `model` to `more`, and fill the rows of new ids; the names of tensors that have such rows.

    `wider` has the shapes of a model with further rows still.
    """
    given, shapes = model.state_dict(), wider.state_dict()
    known = min(pieces, default=0)
    resized = []
    for name, tensor in more.state_dict().items():
        before = given[name]
        axes = [axis for axis, size in enumerate(shapes[name].shape) if size != tensor.shape[axis]]
        if not axes:
            tensor.copy_(before)
            continue
        if len(axes) > 1:
            raise BuildError.of(
                "B1211", f"{name} has a row and a column for each token", help="a model with a row for each"
            )
        (axis,) = axes
        there, here = before.movedim(axis, 0), tensor.movedim(axis, 0)
        here[: len(there)].copy_(there)
        resized.append(name)
        for id, some in pieces.items():
            here[id] = _mean(there[some] if some else there[:known])
    return resized


def _mean(rows: Tensor) -> Tensor:
    return rows.double().mean(0).to(rows.dtype)


def _no_rows(source: Path) -> BuildError:
    return BuildError.of(
        "B1211",
        f"{source} has no embedding or head with a row for each token",
        help="extend its tokenizer alone",
    )
