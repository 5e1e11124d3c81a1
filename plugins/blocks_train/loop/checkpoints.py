"""Checkpoints of a run: build folders that also hold what training goes on from.

RUN/checkpoints/step-00000200/
    model.safetensors, recipe.lock.yaml, tokenizer/, manifest.json     a build folder, as any other
    training.safetensors, training.json                                optimizer, random states, carried states, step

Of a run of several ranks, what is dealt among them is gathered tensor by tensor for model.safetensors, and written by
each for its part into training/, by torch.distributed.checkpoint; any number of ranks goes on from it. Rank 0 writes
the rest, that of other ranks included, and the manifest.

A folder is written beside, flushed to the disk, and renamed: what has the name of a checkpoint is whole, unless the
disk damaged it later, which the sha256 of the manifest tell.
"""

from __future__ import annotations

import json
from collections import ChainMap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from blocks import BlockGraph, BuildError, Coder, Registry, find_build, save_build
from blocks_train.loop.tree import Named, flatten, unflatten
from blocks_train.scale.dealt import read_dealt, write_dealt
from blocks_train.scale.ranks import ALONE, Ranks
from blocks_train.scale.shards import is_sharded
from blocks_train.scale.stored import Layout, Stored, write_gathered

CHECKPOINTS, TENSORS, VALUES = "checkpoints", "training.safetensors", "training.json"
DEALT = "training"
OWN = ("carried", "random")
"""What of a state each rank has one of its own of."""
FORMAT = 1


@dataclass
class Checkpoints:
    """The checkpoints of the run at `run`; the newest `keep` are kept."""

    run: Path
    graph: BlockGraph
    registry: Registry
    keep: int = 2
    coder: Coder | None = None
    ranks: Ranks = field(default_factory=Ranks)
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
        if self.ranks.size == 1:
            self._write(step, model, values, {TENSORS: tensors}, instead)
        else:
            self._write_together(step, model, values, tensors, state, instead)
        self.saved = step
        return self.path(step)

    def _write(
        self,
        step: int,
        model: nn.Module,
        values: Mapping[str, Any],
        beside: Mapping[str, Any],
        instead: Mapping[str, Tensor] | Callable[[Path], object] | None,
    ) -> None:
        def write_values(path: Path) -> None:
            path.write_text(json.dumps(values) + "\n", encoding="utf-8")

        save_build(
            model, self.graph, self.path(step), beside={**beside, VALUES: write_values}, instead=instead,
            coder=self.coder, keep=self.keep, registry=self.registry,
        )  # fmt: skip

    def _write_together(
        self,
        step: int,
        model: nn.Module,
        values: dict[str, Any],
        tensors: Mapping[str, Tensor],
        state: Mapping[str, Any],
        instead: Mapping[str, Tensor] | None,
    ) -> None:
        """Write a checkpoint of all ranks: rank 0 leads, and the others join in where it calls them."""
        ranks = self.ranks
        weights = dict(model.named_parameters()) | dict(instead or {})
        saved = model.state_dict()
        weights |= {name: saved[name] for name, _ in model.named_buffers() if name in saved}
        sharded = {name: tensor.detach() for name, tensor in tensors.items() if is_sharded(tensor)}
        plain = {name: tensor for name, tensor in tensors.items() if not is_sharded(tensor)}
        others: list[Any] = []
        form, held = flatten({key: state[key] for key in OWN}, f"others.{ranks.rank}")
        for rank, (each, inside) in enumerate(
            ranks.gathered((form, {name: tensor.cpu() for name, tensor in held.items()}))
        ):
            if rank:
                others.append(each)
                plain |= inside
        values = {**values, "others": others}
        parts = {
            "gather": lambda path: write_gathered(weights, path, ranks),
            "deal": lambda path: write_dealt(sharded, path, ranks),
        }

        def lead(call: Callable[[str, Path], None]) -> None:
            def deal(path: Path) -> None:
                path.mkdir()
                call("deal", path)

            beside = {TENSORS: plain, DEALT: deal}
            self._write(step, model, values, beside, lambda path: call("gather", path))

        ranks.conduct(lead, parts)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One that is whole. `passed_over` are newer ones that are not, and why."""

    folder: Path
    step: int
    passed_over: tuple[tuple[Path, str], ...] = ()

    def state(
        self,
        named: Named,
        device: torch.device | str,
        layout: Layout = lambda name: None,
        ranks: Ranks = ALONE,
    ) -> Any:
        """What training goes on from; `layout` says like which parameter a tensor is dealt. All ranks ask together.

        That of other ranks is in `others`. Raises BuildError where it is not what this version writes.
        """
        try:
            values = json.loads((self.folder / VALUES).read_text(encoding="utf-8"))
            tensors: dict[str, Tensor] = {}
            if (self.folder / DEALT).is_dir():
                tensors = read_dealt(self.folder / DEALT, layout, ranks)
            every = ChainMap(tensors, Stored(self.folder / TENSORS, layout))  # type: ignore[arg-type]
            state = unflatten(values["state"], every, named, device)
            others = [unflatten(form, every, named, device) for form in values.get("others", ())]
        except (LookupError, TypeError, ValueError) as error:
            raise BuildError.of(
                "B0804",
                f"{self.folder} does not fit its recipe: {error}",
                help="go on with the version that wrote it, which run.json names",
            ) from None
        return {**state, "others": others}

    def weights(self) -> Mapping[str, Tensor]:
        """The tensors of its model, each read when it is asked for."""
        return Stored(self.folder / "model.safetensors")


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
