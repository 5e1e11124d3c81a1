"""Checkpoints of a run: build folders that also hold what training goes on from.

RUN/checkpoints/step-00000200/
    model.safetensors, recipe.lock.yaml, tokenizer/, manifest.json     a build folder, as any other
    training.safetensors, training.json                                optimizer, random states, carried states, step

A folder is written beside, flushed to the disk, and renamed: what has the name of a checkpoint is whole, unless the
disk damaged it later, which the sha256 of the manifest tell.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from blocks import BlockGraph, BuildError, Coder, Registry, find_build, save_build
from blocks_train.loop.tree import Named, flatten, unflatten

CHECKPOINTS, TENSORS, VALUES = "checkpoints", "training.safetensors", "training.json"
FORMAT = 1


@dataclass
class Checkpoints:
    """The checkpoints of the run at `run`; the newest `keep` are kept."""

    run: Path
    graph: BlockGraph
    registry: Registry
    keep: int = 2
    coder: Coder | None = None
    saved: int | None = field(default=None, init=False)
    """The step of the newest one that was written."""

    def path(self, step: int) -> Path:
        """Where the checkpoint of a step is."""
        return self.run / CHECKPOINTS / f"step-{step:08d}"

    def save(
        self,
        step: int,
        model: nn.Module,
        state: Mapping[str, Any],
        instead: Mapping[str, Tensor] | None = None,
    ) -> Path:
        """Write the checkpoint of a step, and remove old ones. `instead` are weights to write in place of the model's.

        Raises OSError or BuildError where it cannot be written; earlier ones are left alone.
        """
        form, tensors = flatten(state)
        values = {"format": FORMAT, "step": step, "state": form}
        beside: dict[str, Any] = {
            TENSORS: tensors,
            VALUES: lambda path: path.write_text(json.dumps(values) + "\n", encoding="utf-8"),
        }
        path = self.path(step)
        save_build(
            model, self.graph, path, beside=beside, instead=instead, coder=self.coder, keep=self.keep,
            registry=self.registry,
        )  # fmt: skip
        self.saved = step
        return path


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One that is whole. `passed_over` are newer ones that are not, and why."""

    folder: Path
    step: int
    passed_over: tuple[tuple[Path, str], ...] = ()

    def state(self, named: Named, device: torch.device | str) -> Any:
        """What training goes on from. Raises BuildError where it is not what this version writes."""
        values = json.loads((self.folder / VALUES).read_text(encoding="utf-8"))
        tensors = load_file(self.folder / TENSORS)
        try:
            return unflatten(values["state"], tensors, named, device)
        except (LookupError, TypeError) as error:
            raise BuildError.of(
                "B0804",
                f"{self.folder} does not fit its recipe: {error}",
                help="go on with the version that wrote it, which run.json names",
            ) from None

    def weights(self) -> dict[str, Tensor]:
        """The tensors of its model."""
        return load_file(self.folder / "model.safetensors")


def newest(run: Path) -> Checkpoint | None:
    """The newest checkpoint of a run that is whole; None where there is none yet.

    Raises BuildError where there are some and none is whole.
    """
    if not any((run / CHECKPOINTS).glob("step-*")):
        return None
    found = find_build(run)
    try:
        values = json.loads((found.folder / VALUES).read_text(encoding="utf-8"))
        step, form = int(values["step"]), values["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"{VALUES} cannot be read: {error}"
        raise BuildError.of("B0804", f"{found.folder} is damaged: {reason}", help="remove it") from None
    if form != FORMAT:
        raise BuildError.of(
            "B0804",
            f"{found.folder} was written by another version",
            help="go on with the version that run.json names",
        )
    return Checkpoint(found.folder, step, found.passed_over)
