"""The build folder: weights, lock file, picture and manifest, written whole or not at all.

model.safetensors   weights, tied ones once
recipe.lock.yaml    the recipe, fully expanded
graph.svg           the picture
tokenizer/          the tokenizer's files, once it is trained; beside imported weights also what came along with
                    them: generation_config.json, config.json
manifest.json       sha256 and size of each file, seed, dtype, versions
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from blocks import (
    BlockGraph,
    BlocksWarning,
    BuildError,
    Coder,
    Plan,
    Registry,
    __version__,
    compile_graph,
    load,
)
from blocks.swap import fresh_folder, recover
from blocks.tokenizer import FOLDER as TOKENIZER
from blocks_compiler.backends.lock import lock
from blocks_compiler.backends.manifest import (
    CHECKPOINTS,
    FORMAT,
    LOCK,
    MANIFEST,
    WEIGHTS,
    damaged,
    describe,
    find_build,
    prune,
)
from blocks_compiler.backends.module import build_empty
from blocks_compiler.backends.write import check_output, usual_mode

PICTURE = "graph.svg"
Beside = Path | Mapping[str, Tensor] | Callable[[Path], object]
"""A file to copy, tensors to write, or what writes a file, or a folder that it makes, at a path."""


def write_folder(
    model: nn.Module,
    graph: BlockGraph,
    target: Path,
    *,
    seed: int | None,
    picture: str | None,
    registry: Registry,
    beside: Mapping[str, Beside] | None = None,
    instead: Mapping[str, Tensor] | Callable[[Path], object] | None = None,
    coder: Coder | None = None,
    keep: int | None = None,
) -> None:
    """Write the build folder of a model; an existing build folder is replaced in one step.

    `seed` is None where the weights were not drawn from one; `beside` are files to copy, tensors to write, or what
    writes them, by their name in the folder; `instead` are tensors to write in place of parameters of the model, or
    what writes the file of weights; `coder` is the tokenizer, whose files go into `tokenizer/`. `keep` is how many of
    the checkpoints of its run are left where the folder is one. Raises BuildError when `target` is something else than
    a build folder, OSError when it cannot be written, and leaves what was there.
    """
    check_target(target)
    plan: Plan = graph.graph["plan"]
    with fresh_folder(target) as folder:
        if callable(instead):
            instead(folder / WEIGHTS)
        else:
            save_tensors(weights_of(model) | dict(instead or {}), folder / WEIGHTS)
        (folder / LOCK).write_text(lock(plan, registry), encoding="utf-8")
        if picture is not None:
            (folder / PICTURE).write_text(picture, encoding="utf-8")
        for name, source in (beside or {}).items():
            (folder / name).parent.mkdir(exist_ok=True)
            if isinstance(source, Path):
                shutil.copyfile(source, folder / name)
            elif isinstance(source, Mapping):
                save_tensors(source, folder / name)
            else:
                source(folder / name)
        if coder is not None:
            (folder / TOKENIZER).mkdir(exist_ok=True)
            coder.save(folder / TOKENIZER)
        manifest = {
            "format": FORMAT,
            "recipe": plan.name,
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "seed": seed,
            "dtype": str(next(model.parameters()).dtype).removeprefix("torch."),
            "versions": {"blocks-dsl": __version__, "torch": torch.__version__},
            "files": {
                path.relative_to(folder).as_posix(): describe(path)
                for path in sorted(folder.rglob("*"))
                if path.is_file()
            },
        }
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    if keep is not None and target.parent.name == CHECKPOINTS:
        prune(target.parent.parent, keep)


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """What the file of weights holds: parameters, tied ones once, and the buffers that are saved."""
    weights = {name: value.detach() for name, value in model.named_parameters()}
    saved = model.state_dict()
    return weights | {name: saved[name] for name, _ in model.named_buffers() if name in saved}


def check_target(target: Path) -> None:
    """Raise BuildError when something that is not a build folder, or the current folder, is in the way."""
    if target.resolve() == Path.cwd():
        raise BuildError.of(
            "B0803",
            "the folder you are in would be replaced by another",
            help="choose another folder with -o",
        )
    check_output(target)
    recover(target.absolute())
    empty = target.is_dir() and not any(target.iterdir())
    if target.exists() and not (target / MANIFEST).is_file() and not empty:
        raise BuildError.of(
            "B0803", f"{target} exists and is not a build folder", help="choose another folder with -o"
        )


def load_folder(folder: Path, *, device: str = "cpu", dtype: str | None = None) -> nn.Module:
    """The model of a build folder with its weights, as they are or converted to `dtype`.

    Of a run, that of the newest checkpoint that is whole, with a warning of newer ones that are not. Raises BuildError
    when the folder is missing or damaged.
    """
    found = find_build(folder)
    for passed, reason in found.passed_over:
        message = f"{passed.name} is passed over, {found.folder.name} is read: {reason}"
        warnings.warn(BlocksWarning(message), stacklevel=3)
    folder, dtype = found.folder, dtype or found.manifest["dtype"]
    graph = compile_graph(load(folder / LOCK), device=device, dtype=dtype)
    model = build_empty(graph, device=device, dtype=dtype)
    try:
        weights = load_file(folder / WEIGHTS, device=device)
    except (SafetensorError, OSError) as error:
        raise damaged(folder, f"{WEIGHTS}: {error}") from None
    own = {name for name, _ in model.named_parameters()} | {name for name, _ in model.named_buffers()}
    wrong = sorted(own ^ weights.keys())
    state = model.state_dict()
    wrong += sorted(n for n in own & weights.keys() if state[n].shape != weights[n].shape)
    if wrong:
        raise damaged(folder, f"{WEIGHTS} does not fit the recipe at {', '.join(wrong[:5])}")
    model.load_state_dict(weights, strict=False)
    return model


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors as safetensors, each with memory of its own. Raises OSError, of a full disk for instance."""
    written = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    taken: set[int] = set()
    for name, value in written.items():
        storage = value.untyped_storage()
        if value.nbytes and (storage.data_ptr() in taken or storage.nbytes() != value.nbytes):
            written[name] = value.clone()
        taken.add(written[name].untyped_storage().data_ptr())
    try:
        save_file(written, path, {"format": "pt"})
    except SafetensorError as error:  # as which it reports those of the system, too: (os error 28)
        found = re.search(r"\(os error (\d+)\)", str(error))
        number = int(found[1]) if found else errno.EIO
        raise OSError(number, os.strerror(number) if found else str(error), str(path)) from error
    path.chmod(usual_mode())
