"""Two ranks, each with half of the rows and of every weight, train as one process does; what fails, fails on both."""

from __future__ import annotations

import errno
import json
import sys
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import blocks
from blocks import Registry
from blocks_train.data import Batch
from blocks_train.loop.checkpoints import Checkpoints, newest
from blocks_train.loop.finite import first_not_finite
from blocks_train.loop.recompute import recompute
from blocks_train.loop.trainer import NotFiniteError, Trainer
from blocks_train.loop.tree import named_in
from blocks_train.objectives.module import NextToken
from blocks_train.optim.average import Average
from blocks_train.optim.make import adamw
from blocks_train.optim.specs import AdamW
from blocks_train.scale import shards, stored
from blocks_train.scale.fitting import block_paths
from blocks_train.scale.ranks import ALONE, ElsewhereError, Ranks, joined, mesh_of

ROOT = Path(__file__).parents[4]
RECIPE = """\
recipe: small
d_model: 16
vocab_size: 40
blocks:
  attention: {mixer: multi_head, n_heads: 2, position: rope}
  mamba2: {mixer: mamba2, n_heads: 2, head_dim: 16, d_state: 8}
  ffn: {mixer: mlp, d_ff: 33}
model: [{embed: tokens}, {stack: {layers: [attention, mamba2, ffn]}}, {norm: rmsnorm}, {head: lm}]
train: {steps: 10, batch: 8, context: 12, accumulate: 2, clip: 0.5, ema: 0.9, checkpoint: ffn}
"""


class Rows:
    """A rank's rows of random tokens; those of the first half have fewer targets than the others."""

    def __init__(self, ranks: Ranks) -> None:
        self.own = slice(ranks.rank * 8 // ranks.size, (ranks.rank + 1) * 8 // ranks.size)

    def batch(self, step: int) -> Batch:
        tokens = np.random.default_rng(step).integers(0, 39, (8, 13))
        targets = tokens[:, 1:].copy()
        targets[:3, 4:] = -100
        tokens[6, 2] = 39  # a token that the second half alone has
        return Batch({"tokens": tokens[self.own, :-1]}, targets[self.own], fresh=True)


def trainer_of(ranks: Ranks) -> Trainer:
    recipe = blocks.load(RECIPE)
    plan = recipe.plan()
    model = blocks.build(recipe, seed=5, device="cpu" if ranks.size == 1 else "meta")
    namespace = vars(import_module(type(model).__module__))
    recompute(model, plan.train.checkpoint)
    if ranks.size > 1:
        shards.shard(model, block_paths(plan), ranks)
        shards.draw(model, namespace["init_weights"], 5, torch.device("cpu"))
    optimizer = adamw(model, AdamW(lr=1e-3).options())
    average = Average(model, 0.9)
    trainer = Trainer(
        model, plan.train, NextToken(model), optimizer, Rows(ranks), torch.device("cpu"), average=average, ranks=ranks
    )  # fmt: skip
    trainer.namespace = namespace
    return trainer


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    """How far two tensors are from each other, by the length of the second."""
    return float((one - other).norm() / other.norm().clamp(min=1e-30))


def trained(ranks: Ranks, found: dict[str, Any], steps: int) -> None:
    """Steps beside one process that does them alone: losses, gradients, what is measured, the average."""
    dealt, alone = trainer_of(ranks), trainer_of(ALONE)
    found["losses"], found["gradients"] = [], []
    for _ in range(steps):
        one, other = dealt.advance(), alone.advance()
        found["losses"].append(abs(one.loss - other.loss) / other.loss)
        found["losses"].append(abs(one.gradient_norm - other.gradient_norm) / other.gradient_norm)
        assert one.tokens == other.tokens == 8 * 12
        for mine, wanted in zip(dealt.model.parameters(), alone.model.parameters(), strict=True):
            found["gradients"].append(apart(shards.whole(mine.grad), wanted.grad))
    measured = dealt.measure(Rows(ranks), 11), alone.measure(Rows(ALONE), 11)
    found["losses"].append(abs(measured[0] - measured[1]) / measured[1])
    averages = zip(dealt.average.weights.values(), alone.average.weights.values(), strict=True)
    found["averages"] = [apart(shards.whole(mine), wanted) for mine, wanted in averages]


def drawn(ranks: Ranks, found: dict[str, Any]) -> None:
    """Weights of one seed, dealt; the most that a rank holds while they are drawn."""
    found["drawn"] = {}
    for name in ("hybrid-tiny", "transformer-tiny", ROOT / "recipes/zoo/zamba2-like.yaml"):
        plan = blocks.load(name if isinstance(name, Path) else blocks.published.locate(name)).plan()
        whole = blocks.build(name, seed=3)
        model = blocks.build(name, seed=3, device="meta")
        init_weights = vars(import_module(type(model).__module__))["init_weights"]
        shards.shard(model, block_paths(plan), ranks)
        held: list[int] = []

        def watched(
            model: torch.nn.Module, seed: int, around: Any, draws: Any = init_weights, held: list[int] = held
        ) -> None:
            @contextmanager
            def inside(module: torch.nn.Module) -> Any:
                with around(module):
                    held.append(sum(shards.own(each).numel() for each in model.parameters()))
                    yield

            draws(model, seed, inside)

        shards.draw(model, watched, 3, torch.device("cpu"))
        pairs = zip(
            (*model.parameters(), *model.buffers()), (*whole.parameters(), *whole.buffers()), strict=True
        )
        found["drawn"][str(name)] = {
            "same": all(torch.equal(shards.whole(mine.detach()), wanted) for mine, wanted in pairs),
            "most": max(held) / sum(each.numel() for each in whole.parameters()),
            "kept": sum(shards.own(each).numel() for each in model.parameters()),
            "all": sum(each.numel() for each in whole.parameters()),
        }


def failing(ranks: Ranks, found: dict[str, Any], folder: Path) -> None:
    """A full disk on rank 0, then one on rank 1, then none; a number that is not finite on rank 1 alone."""
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter

    trainer = trainer_of(ranks)
    trainer.advance()
    graph = blocks.compile_graph(blocks.load(RECIPE))
    saver = Checkpoints(folder / "run", graph, Registry.installed(), ranks=ranks)
    found["failed"] = []

    def save() -> None:
        try:
            saver.save(1, trainer.model, trainer.state(), trainer.instead())
            found["failed"].append(None)
        except OSError as error:
            found["failed"].append(error.errno)

    class Full(stored._Sink):
        def __init__(self, path: Path) -> None:
            super().__init__(Path("/dev/full"))

    kept, stored._Sink = stored._Sink, Full
    save()
    stored._Sink = kept
    write = HuggingFaceStorageWriter.write_data

    def full(*args: Any) -> Any:
        raise OSError(errno.ENOSPC, "no space")

    HuggingFaceStorageWriter.write_data = full if ranks.rank else write
    save()
    HuggingFaceStorageWriter.write_data = write
    found["left"] = [path.name for path in (folder / "run/checkpoints").glob("step-*")]
    save()
    ranks.most(0)
    again, found["loaded"] = trainer_of(ranks), newest(folder / "run").step
    checkpoint = newest(folder / "run")
    state = checkpoint.state(named_in(again.namespace), "cpu", again.layout(), ranks)
    again.load(1, checkpoint.weights(), state)
    steps = [each.advance() for each in (trainer, again)]
    found["same"] = steps[0].loss == steps[1].loss and all(
        torch.equal(shards.own(one.detach()), shards.own(other.detach()))
        for one, other in zip(trainer.model.parameters(), again.model.parameters(), strict=True)
    )

    with torch.no_grad():  # row 39 of the table is in the part of rank 1
        if ranks.rank:
            shards.own(trainer.model.embed.weight)[-1] = torch.nan
    with pytest.raises(NotFiniteError) as wrong:
        trainer.advance()
    found["wrong"] = str(wrong.value)
    plan = blocks.load(RECIPE).plan()
    found["where"] = first_not_finite(trainer.model, plan, trainer.again, ranks)


def told(ranks: Ranks, found: dict[str, Any]) -> None:
    """What one rank does for all, and its errors."""
    found["sums"] = ranks.sums(ranks.rank, 5)
    found["most"] = ranks.most(7 * ranks.rank)
    found["led"] = ranks.led(lambda: f"of {ranks.rank}")
    found["first"] = ranks.first(lambda left: (left, ranks.rank), lambda value: "left")

    def refuse() -> None:
        raise blocks.UsageError.of("B0805", "no")

    try:
        ranks.led(refuse)
    except (blocks.UsageError, ElsewhereError) as error:
        found["refused"] = [type(error).__name__, error.exit_code]


def test_two_ranks_train_as_one_process(launch, tmp_path: Path) -> None:
    launch(2, __file__, tmp_path)
    found = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    for rank, each in enumerate(found):
        assert len(each["losses"]) == 21
        assert max(each["losses"]) < 1e-5
        assert len(each["gradients"]) > 100
        assert max(each["gradients"]) < 1e-5
        assert max(each["averages"]) < 1e-5
        assert len(each["copies"]["losses"]) == 5
        assert max(each["copies"]["losses"] + each["copies"]["gradients"] + each["copies"]["averages"]) < 1e-5
        for name, about in each["drawn"].items():
            assert about["same"], name
            assert about["most"] < 0.9, name
        assert each["failed"] == [errno.ENOSPC, errno.ENOSPC, None]
        assert each["left"] == []
        assert each["loaded"] == 1
        assert each["same"]
        assert each["wrong"] == "the loss is nan"
        assert each["where"] == "the output of embed (tokens) is the first that is not finite"
        assert (each["sums"], each["most"], each["led"]) == ([1, 10], 7, "of 0")
        assert each["first"] == ([None, 0] if rank == 0 else ["left", 1])
        assert each["refused"] == [("UsageError", "ElsewhereError")[rank], 2]
    for name, about in found[0]["drawn"].items():
        assert sum(each["drawn"][name]["kept"] for each in found) == about["all"]


def test_a_parameter_that_is_one_number_is_refused() -> None:
    model = torch.nn.Module()
    model.scale = torch.nn.Parameter(torch.ones(()))
    with pytest.raises(blocks.BuildError, match="scale is a single number"):
        shards.shard(model, [], replace(ALONE, size=2))


if __name__ == "__main__":
    torch.set_num_threads(1)
    result: dict[str, Any] = {}
    with joined("cpu", None) as (here, _):
        drawn(here, result)
        trained(here, result, 10)
        result["copies"] = {}
        trained(replace(here, mesh=mesh_of("cpu", 2, 1)), result["copies"], 2)
        failing(here, result, Path(sys.argv[1]))
        told(here, result)
    (Path(sys.argv[1]) / f"{here.rank}.json").write_text(json.dumps(result))
