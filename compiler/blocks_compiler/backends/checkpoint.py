"""Weights of other libraries: streamed into a model, and written from one, by the rules of an importer.

A rule shows views of our tensors, shaped as theirs. Before anything is read, the views are compared with what
the files say they hold; then each view is filled in place, so that memory holds the weights once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from blocks import BlockGraph, BuildError, Registry
from blocks.diagnostics import Problems
from blocks.foreign_config import Config
from blocks.importer import Importer, Rule
from blocks_compiler.backends.module import build_empty
from blocks_compiler.backends.shards import CHUNK, INDEX, SINGLE, Stored
from blocks_compiler.foreign import CONFIG, Foreign
from blocks_compiler.pipeline import compile_plan

DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
Progress = Callable[[int], None]
"""Told the bytes that were read or written since the last call."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A view of one of our parameters, and what it is called there."""

    ours: str
    name: str
    view: Tensor
    shape: tuple[int, ...]


def pieces(model: nn.Module, rules: Iterable[Rule]) -> Iterator[Piece]:
    """Every parameter and saved buffer of a model in pieces as the rules have it.

    Raises BuildError for one without a rule.
    """
    known = {rule.ours: rule for rule in rules}
    without = []
    saved = model.state_dict().keys()
    buffers = [(path, buffer) for path, buffer in model.named_buffers() if path in saved]
    for path, parameter in (*model.named_parameters(), *buffers):
        module, _, leaf = path.rpartition(".")
        rule, end = (known[path], "") if path in known else (known.get(module), leaf)
        if rule is None:
            without.append(path)
            continue
        views = list(rule.parts(parameter.detach()))
        names = rule.names(end, len(views))
        assert len(names) == len(views), f"{path}: {len(views)} views and {len(names)} names"
        for name, view in zip(names, views, strict=True):
            yield Piece(path, name, view, (prod(view.shape[: rule.fold]), *view.shape[rule.fold :]))
    if without:
        message = f"the importer has no rule for {', '.join(without[:5])}"
        raise BuildError.of("B1004", message, help="this is a mistake of the importer")


def match(model: nn.Module, foreign: Foreign) -> tuple[list[tuple[Piece, Stored]], list[str]]:
    """Each piece with the tensor that fills it, and the names of spare tensors that nothing needs.

    Raises BuildError with every tensor that is missing, left over, or of another shape or dtype.
    """
    importer, problems = foreign.importer, Problems(str(foreign.folder), "")
    wanted = list(pieces(model, importer.weights(foreign.config)))
    held = dict(foreign.tensors)
    found = []
    missing: list[str] = []
    for piece in wanted:
        entry = held.pop(piece.name, None)
        if entry is None:
            missing.append(piece.name)
        elif entry.dtype not in DTYPES:
            problems.add(
                "B1004",
                f"{piece.name} is {entry.dtype}, which weights are not",
                help="quantised checkpoints are not read",
            )
        elif entry.shape != piece.shape:
            shapes = f"{list(entry.shape)} in the checkpoint, {list(piece.shape)} in the recipe"
            problems.add(
                "B1004",
                f"{piece.name} is {shapes}",
                help="config.json and the weights do not belong together",
            )
        else:
            found.append((piece, entry))
    for name, path in importer.computed.items():
        if name in held:
            _compare(held.pop(name), model.get_submodule(path), name, problems)
    left = [
        name
        for name in held
        if name not in foreign.config.copies and not name.endswith(importer.unused or ("\0",))
    ]
    spare = [name for name in left if importer.spare and name.startswith(importer.spare)]
    extra = sorted(set(left) - set(spare))
    if missing:
        problems.add("B1004", f"missing: {_some(missing)}", help="the recipe of config.json needs them")
    if extra:
        problems.add(
            "B1004", f"left over: {_some(extra)}", help="the recipe of config.json has no place for them"
        )
    problems.raise_if_any(BuildError)
    return found, spare


def _compare(entry: Stored, position: nn.Module, name: str, problems: Problems) -> None:
    """Report a table of positions in a file that is not what a position works out."""
    encode: Any = position.encode
    kept = torch.empty(entry.shape, dtype=DTYPES.get(entry.dtype, torch.float32))
    with entry.file.open("rb", buffering=0) as stream:
        _read(stream, kept, entry, lambda size: None)
    worked_out = encode(torch.arange(entry.shape[0]))
    if worked_out.shape != kept.shape or not torch.allclose(worked_out, kept.to(worked_out.dtype), atol=1e-3):
        message = f"{name} is another table than the one that the recipe works out"
        problems.add("B1004", message, help="a recipe has no word for positions like these")


def load_checkpoint(
    foreign: Foreign,
    registry: Registry,
    *,
    device: str = "cpu",
    dtype: str | None = None,
    progress: Progress = lambda size: None,
) -> tuple[nn.Module, BlockGraph, list[str]]:
    """The model of a checkpoint with its weights, its graph, and the names of spare tensors that it does not need.

    `dtype` is by default that of most of the weights; where others lose bits by it, the config's notes say so. Raises
    BuildError before anything is read where the weights do not fit the recipe. Memory holds the weights once, and some
    rows of one tensor.
    """
    plan = foreign.recipe.plan(registry=registry)
    meta = compile_plan(plan, registry=registry, kernels="reference")
    found, _ = match(build_empty(meta, device="meta"), foreign)
    dtype = dtype or common_dtype(found)
    rounded = [entry.dtype for _, entry in found if _loses(DTYPES[entry.dtype], getattr(torch, dtype, None))]
    if rounded:
        kinds = ", ".join(sorted({str(DTYPES[kind]).removeprefix("torch.") for kind in rounded}))
        foreign.config.note(
            f"{len(rounded)} tensors are {kinds} in the checkpoint and are rounded to {dtype}"
        )
    graph = compile_plan(plan, registry=registry, device=device, dtype=dtype)
    model = build_empty(graph, device=device, dtype=dtype)
    found, spare = match(model, foreign)
    fill(found, progress)
    return model, graph, spare


def _loses(old: torch.dtype, new: torch.dtype | None) -> bool:
    """Whether a conversion rounds."""
    return new is not None and torch.promote_types(old, new) != new


def fill(found: Iterable[tuple[Piece, Stored]], progress: Progress = lambda size: None) -> None:
    """Read every tensor into its view, in the order of the files. Raises BuildError for a file cut short."""
    ordered = sorted(found, key=lambda pair: (pair[1].file, pair[1].start))
    stream: BinaryIO | None = None
    try:
        for piece, entry in ordered:
            if stream is None or stream.name != str(entry.file):
                if stream is not None:
                    stream.close()
                stream = entry.file.open("rb", buffering=0)
            _read(stream, piece.view, entry, progress)
    finally:
        if stream is not None:
            stream.close()


def common_dtype(found: Iterable[tuple[Piece, Stored]]) -> str:
    """The dtype that most bytes of a checkpoint have, by torch's name."""
    sizes: dict[str, int] = {}
    for _, entry in found:
        sizes[entry.dtype] = sizes.get(entry.dtype, 0) + entry.size
    best = max(sizes, key=lambda dtype: sizes[dtype]) if sizes else "F32"
    return str(DTYPES[best]).removeprefix("torch.")


def _read(stream: BinaryIO, view: Tensor, entry: Stored, progress: Progress) -> None:
    """Fill a view from a file: straight into its memory where that is possible, else some rows at a time."""
    stream.seek(entry.start)
    dtype = DTYPES[entry.dtype]
    if not view.numel():
        return
    if view.device.type == "cpu" and view.dtype == dtype and view.is_contiguous():
        _read_into(stream, view.reshape(-1), entry, progress)
        return
    rows = view if view.ndim else view[None]
    each = max(1, CHUNK // max(1, rows[0].numel() * dtype.itemsize))
    for at in range(0, rows.shape[0], each):
        part = rows[at : at + each]
        buffer = torch.empty(part.shape, dtype=dtype)
        _read_into(stream, buffer.reshape(-1), entry, progress)
        part.copy_(buffer)


def _read_into(stream: BinaryIO, flat: Tensor, entry: Stored, progress: Progress) -> None:
    memory = memoryview(flat.view(torch.uint8).numpy().data)
    at = 0
    while at < len(memory):
        count = stream.readinto(memory[at : at + CHUNK])  # type: ignore[attr-defined]
        if not count:
            raise BuildError.of("B1005", f"{entry.file.name} ends too soon", help="fetch it again")
        at += count
        progress(count)


def save_checkpoint(
    model: nn.Module,
    importer: Importer,
    values: Mapping[str, Any],
    folder: Path,
    *,
    shard: int = 5 * 10**9,
    progress: Progress = lambda size: None,
) -> None:
    """Write config.json and the weights of a model into a folder that is there, as the importer's library wants them.

    Files hold at most `shard` bytes, or one tensor. What is a view of our tensors is written from it, so that no
    more than one file's transposed matrices are copied at a time.
    """
    config = Config(values, defaults=importer.defaults)
    found = [
        replace(piece, name=importer.written(piece.name, config))
        for piece in pieces(model, importer.weights(config))
    ]
    files: list[list[Piece]] = [[]]
    size = 0
    for piece in found:
        bytes_ = piece.view.numel() * piece.view.element_size()
        if files[-1] and size + bytes_ > shard:
            files.append([])
            size = 0
        files[-1].append(piece)
        size += bytes_
    names = [f"model-{i:05}-of-{len(files):05}.safetensors" for i in range(1, len(files) + 1)]
    names = [SINGLE] if len(files) == 1 else names
    for name, group in zip(names, files, strict=True):
        tensors = {piece.name: piece.view.reshape(piece.shape).contiguous().cpu() for piece in group}
        save_file(tensors, folder / name, {"format": "pt"})
        progress(sum(tensor.nbytes for tensor in tensors.values()))
    if len(files) > 1:
        total = sum(piece.view.numel() * piece.view.element_size() for piece in found)
        places = {piece.name: name for name, group in zip(names, files, strict=True) for piece in group}
        index = {"metadata": {"total_size": total}, "weight_map": places}
        (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    dtype = str(next(model.parameters()).dtype).removeprefix("torch.")
    described = dict(values) | {"dtype": dtype}
    (folder / CONFIG).write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:6])
    return shown + (f" and {len(names) - 6:,} more" if len(names) > 6 else "")
