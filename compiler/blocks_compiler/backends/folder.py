"""The build folder: weights, lock file, picture and manifest, written whole or not at all.

model.safetensors   weights, tied ones once
recipe.lock.yaml    the recipe, fully expanded
graph.svg           the picture
tokenizer/          the tokenizer's files, once it is trained; beside imported weights also what came along with
                    them: generation_config.json, config.json
manifest.json       sha256 and size of each file, seed, dtype, versions
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from blocks import BlockGraph, BuildError, Coder, Plan, Registry, __version__, compile_graph, load
from blocks.tokenizer import FOLDER as TOKENIZER
from blocks_compiler.backends.lock import lock
from blocks_compiler.backends.module import DTYPES, build_empty
from blocks_compiler.backends.swap import fresh_folder, recover
from blocks_compiler.backends.write import check_output

WEIGHTS, LOCK, PICTURE, MANIFEST = "model.safetensors", "recipe.lock.yaml", "graph.svg", "manifest.json"
FORMAT = 1


def write_folder(
    model: nn.Module,
    graph: BlockGraph,
    target: Path,
    *,
    seed: int | None,
    picture: str | None,
    registry: Registry,
    beside: Mapping[str, Path] | None = None,
    coder: Coder | None = None,
) -> None:
    """Write the build folder of a model; an existing build folder is replaced in one step.

    `seed` is None where the weights were not drawn from one; `beside` are files to copy, by their name in the folder;
    `coder` is the tokenizer, whose files go into `tokenizer/`. Raises BuildError when `target` is something else than
    a build folder, and leaves it alone.
    """
    check_target(target)
    plan: Plan = graph.graph["plan"]
    weights = {name: value.detach().contiguous() for name, value in model.named_parameters()}
    weights |= {
        name: value for name, value in model.state_dict().items() if name in dict(model.named_buffers())
    }
    with fresh_folder(target) as folder:
        save_file({name: value.cpu() for name, value in weights.items()}, folder / WEIGHTS, {"format": "pt"})
        (folder / LOCK).write_text(lock(plan, registry), encoding="utf-8")
        if picture is not None:
            (folder / PICTURE).write_text(picture, encoding="utf-8")
        for name, source in (beside or {}).items():
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(source, folder / name)
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
                path.relative_to(folder).as_posix(): _describe(path)
                for path in sorted(folder.rglob("*"))
                if path.is_file()
            },
        }
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


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

    Raises BuildError when the folder is missing or damaged.
    """
    recover(folder.absolute())
    manifest = _read_manifest(folder)
    dtype = dtype or manifest["dtype"]
    graph = compile_graph(load(folder / LOCK), device=device, dtype=dtype)
    model = build_empty(graph, device=device, dtype=dtype)
    try:
        weights = load_file(folder / WEIGHTS, device=device)
    except (SafetensorError, OSError) as error:
        raise _damaged(folder, f"{WEIGHTS}: {error}") from None
    own = {name for name, _ in model.named_parameters()} | {name for name, _ in model.named_buffers()}
    wrong = sorted(own ^ weights.keys())
    state = model.state_dict()
    wrong += sorted(n for n in own & weights.keys() if state[n].shape != weights[n].shape)
    if wrong:
        raise _damaged(folder, f"{WEIGHTS} does not fit the recipe at {', '.join(wrong[:5])}")
    model.load_state_dict(weights, strict=False)
    return model


def _read_manifest(folder: Path) -> Mapping[str, Any]:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files = dict(manifest["files"])
    except FileNotFoundError:
        raise BuildError.of(
            "B0801",
            f"{folder} is not a build folder: it has no {MANIFEST}",
            help="blocks build RECIPE -o DIR",
        ) from None
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise _damaged(folder, f"{MANIFEST}: {error}") from None
    if (
        manifest.get("format") != FORMAT
        or manifest.get("dtype") not in DTYPES
        or not {WEIGHTS, LOCK} <= files.keys()
    ):
        raise _damaged(folder, f"{MANIFEST} has another format")
    for name, wanted in files.items():
        path = folder / name
        inside = PurePosixPath(name)
        outside = inside.is_absolute() or ".." in inside.parts or "\\" in name
        if outside or not path.is_file() or _describe(path) != wanted:
            raise _damaged(folder, f"{name} is missing or not what was written")
    return dict(manifest)


def _damaged(folder: Path, reason: str) -> BuildError:
    return BuildError.of("B0804", f"{folder} is damaged: {reason}", help="build it again")


def _describe(path: Path) -> dict[str, Any]:
    with path.open("rb") as stream:
        return {"sha256": hashlib.file_digest(stream, "sha256").hexdigest(), "bytes": path.stat().st_size}
