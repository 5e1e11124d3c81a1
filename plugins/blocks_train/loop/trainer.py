"""The loop: batches to gradients to weights, measured, watched, saved.

A step is a pure function of the weights, the optimizer's state, the random states, the carried states and its number:
all of them are in a checkpoint, so a run that goes on from one computes the very bits that it would have computed.

The loss of a step is the sum of its targets' losses divided by their number, over all accumulated parts and all ranks
together: computed in one part or in eight, it is the same number. Auxiliary losses are the mean of those of the parts.
"""

from __future__ import annotations

import math
import time
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from blocks.training import PlannedTraining
from blocks_train.data.batch import Batch
from blocks_train.data.order import mix
from blocks_train.loop.random_state import random_state, set_random_state
from blocks_train.loop.spikes import Watch
from blocks_train.loop.tree import detached
from blocks_train.optim.average import Average, let_go
from blocks_train.scale.carried import dealt
from blocks_train.scale.ranks import Ranks
from blocks_train.scale.shards import is_sharded, like, whole


class Batches(Protocol):
    """The data: the batch of a step, from 0 on."""

    def batch(self, step: int) -> Batch:
        """What the step trains on."""


@dataclass(frozen=True, slots=True)
class Step:
    """What came of one: its number from 1 on, loss in nats a target, norm of the gradients before clipping, costs."""

    number: int
    loss: float
    gradient_norm: float
    rate: float
    tokens: int
    seconds: float
    diverged: bool = False


class NotFiniteError(Exception):
    """The loss or the gradients of a step are not finite; the weights are those before it."""

    def __init__(self, step: int, loss: float, norm: float) -> None:
        what = "the norm of the gradients" if math.isfinite(loss) else "the loss"
        super().__init__(f"{what} is {norm if math.isfinite(loss) else loss}")
        self.step, self.loss, self.norm = step, loss, norm


@dataclass
class Trainer:
    """A model in training. `step` is how many steps are done; `state` and `load` are what a checkpoint holds of it.

    objective  called as (inputs, targets, state) -> Outcome
    auxiliary  terms on the state that it returns, and their weights
    ranks      the processes of the run; a batch is this one's rows of it, losses and norms are those of all
    """

    model: nn.Module
    training: PlannedTraining
    objective: Callable[..., Any]
    optimizer: torch.optim.Optimizer
    batches: Batches
    device: torch.device
    auxiliary: tuple[tuple[Callable[[Any], Tensor], float], ...] = ()
    average: Average | None = None
    ranks: Ranks = field(default_factory=Ranks)
    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    watch: Watch = field(default_factory=Watch)
    carried: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.run = self.objective
        if self.training.compile:
            self.run = torch.compile(lambda *given: self.objective(*given))

    def advance(self) -> Step:
        """Do one step. Raises NotFiniteError, and leaves weights, optimizer and random states as before it."""
        began = time.perf_counter()
        batch, random = self.batches.batch(self.step), random_state()
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        count, tokens = self.ranks.sums(batch.count, real_tokens(batch))
        loss, carried = self.gradients(batch, self.run, count)
        norm = self.clipped()
        value, length = torch.stack((loss, norm.to(loss.dtype))).tolist()
        if not (math.isfinite(value) and math.isfinite(length)):
            set_random_state(random)
            raise NotFiniteError(self.step + 1, value, length)
        rate = self._set_rate()
        self.optimizer.step()
        if self.average is not None:
            self.average.update(self.model)
        self.step += 1
        self.carried = carried
        seconds = time.perf_counter() - began
        self.tokens += tokens
        self.seconds += seconds
        return Step(self.step, value, length, rate, tokens, seconds, self.watch.see(value))

    def gradients(self, batch: Batch, run: Callable[..., Any], count: int) -> tuple[Tensor, list[Any]]:
        """Add the gradients of a batch of `count` targets, over all ranks, to the parameters'.

        Returns its loss, and the states that its parts left here.
        """
        total = torch.zeros((), dtype=torch.float32, device=self.device)
        count, states = max(1, count), []
        parts = self.training.accumulate
        before = [None] * parts if batch.fresh or not self.carried else self.carried
        for (inputs, targets), state in zip(split(batch, parts, self.device), before, strict=True):
            with self.autocast():
                outcome = run(inputs, targets, state)
                loss = outcome.loss_sum / count * self.ranks.size  # gradients of ranks are averaged
                for term, weight in self.auxiliary:
                    loss = loss + weight * term(outcome.state).float() / parts
            loss.backward()
            total += outcome.loss_sum.detach() / count
            if self.training.carry:
                states.append(detached(outcome.state))
            del outcome, loss
        return self.ranks.total(total), states

    def clipped(self) -> Tensor:
        """The norm of all gradients together; they are scaled down to the recipe's `clip` where it is larger."""
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        norm = whole(torch.nn.utils.get_total_norm(gradients))
        if self.training.clip is not None:
            torch.nn.utils.clip_grads_with_norm_(self.parameters, self.training.clip, norm)
        return norm

    def autocast(self) -> AbstractContextManager[Any]:
        """Matrix products in the recipe's dtype."""
        if self.training.dtype == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, getattr(torch, self.training.dtype))

    def again(self) -> Tensor:
        """The loss of the batch that comes next, this rank's share of it, with a graph, computed plainly.

        It is there to look at what goes wrong.
        """
        batch, losses = self.batches.batch(self.step), []
        parts = self.training.accumulate
        before = [None] * parts if batch.fresh or not self.carried else self.carried
        self.model.train()
        for (inputs, targets), state in zip(split(batch, parts, self.device), before, strict=True):
            with self.autocast():
                losses.append(self.objective(inputs, targets, state).loss_sum)
        return torch.stack(losses).sum() / max(1, batch.count)

    def measure(
        self,
        batches: Batches,
        rows: int,
        stop: Callable[[], bool] = lambda: False,
        dealt: bool = True,
    ) -> float | None:
        """The mean loss of a target over the first `rows` rows, with averaged weights where there are any.

        `dealt`: batches are this rank's rows of those of all ranks; else all ranks have the same. None once `stop`
        says so.
        """
        random, total, targets, step = random_state(), 0.0, 0, 0
        place, ranks = (self.ranks.rank, self.ranks.size) if dealt else (0, 1)
        averaged = self.average.instead(self.model) if self.average is not None else nullcontext()
        self.model.eval()
        state: Any = None
        with averaged, torch.no_grad():
            while rows > 0:
                if stop():
                    return None
                read = batches.batch(step)
                size = len(read.targets)
                own = min(max(rows - place * size, 0), size)
                batch = first_rows(
                    read, max(own, 1)
                )  # a rank without a row computes one with the others all the same
                ((inputs, wanted),) = split(batch, 1, self.device)
                with self.autocast():
                    outcome = self.objective(inputs, wanted, None if batch.fresh else state)
                state = detached(outcome.state) if self.training.carry else None
                if own:
                    total += float(outcome.loss_sum)
                    targets += batch.count
                rows -= size * ranks
                step += 1
        set_random_state(random)
        (targets,) = self.ranks.sums(targets)
        whole_sum = self.ranks.total(torch.tensor(total, dtype=torch.float64))
        return float(whole_sum) / max(1, targets)

    def _set_rate(self) -> float:
        rate = self.training.schedule.factor(self.step, self.training.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * rate
        return float(self.optimizer.param_groups[0]["lr"])

    # Checkpoints

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on, besides the weights that the model folder holds."""
        let_go(self.model)
        return {
            "names": [name for name, _ in self.model.named_parameters()],
            "optimizer": self.optimizer.state_dict(),
            "weights": dict(self.model.named_parameters()) if self.average is not None else None,
            "carried": self.carried,
            "random": random_state(),
            "watch": self.watch.state(),
            "tokens": self.tokens,
            "seconds": self.seconds,
        }

    def instead(self) -> Mapping[str, Tensor] | None:
        """Weights that the model folder holds in place of the model's: averaged ones, where they are averaged."""
        return self.average.weights if self.average is not None and self.average.count else None

    def layout(self) -> Callable[[str], Tensor | None]:
        """Says which parameter a tensor of `state`, called by its path there, is dealt like; None: like none."""
        named = dict(self.model.named_parameters())
        every = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

        def of(name: str) -> Tensor | None:
            kind, _, rest = name.partition(".")
            if kind == "weights":
                return named.get(rest)
            return every[int(name.split(".")[2])] if name.startswith("optimizer.state.") else None

        return of

    def load(
        self, step: int, weights: Mapping[str, Tensor], state: Mapping[str, Any], *, options: bool = False
    ) -> None:
        """Go on from a checkpoint: `weights` are those of the model folder, in full.

        `options`: the optimizer keeps the options that it was made with, in place of those in the checkpoint. Raises
        KeyError or ValueError where it does not fit.
        """
        if state["names"] != [name for name, _ in self.model.named_parameters()]:
            raise ValueError("the model has other parameters")
        self._fill(ChainMap(state["weights"] or {}, weights))  # type: ignore[arg-type]
        made = [dict(group) for group in self.optimizer.param_groups]
        self.optimizer.load_state_dict(state["optimizer"])
        if options:
            for group, own in zip(self.optimizer.param_groups, made, strict=True):
                group.update({key: value for key, value in own.items() if key != "params"})
        if self.average is not None and step:
            self.average.load(
                {name: like(weights[name], mine) for name, mine in self.average.weights.items()}, step
            )
        self.watch = Watch(**state["watch"])
        self.step, self.tokens, self.seconds = step, state["tokens"], state["seconds"]
        every = [state, *state.get("others", ())]
        ranks, training = self.ranks, self.training
        self.carried = dealt(
            [each["carried"] for each in every], training.batch, ranks.size, training.accumulate
        )[ranks.rank]
        if ranks.rank < len(every):
            set_random_state(every[ranks.rank]["random"])
        else:
            torch.manual_seed(mix(training.seed, ranks.rank, step))

    @torch.no_grad()
    def _fill(self, weights: Mapping[str, Tensor]) -> None:
        """Take in weights, which are dealt as the model's are or in full."""
        saved = self.model.state_dict().keys()
        buffers = [(name, buffer) for name, buffer in self.model.named_buffers() if name in saved]
        for name, tensor in (*self.model.named_parameters(), *buffers):
            value = weights[name]
            tensor.copy_(value if is_sharded(value) else like(value, tensor))


def first_rows(batch: Batch, rows: int) -> Batch:
    """The first rows of a batch, all of them where it has no more."""
    if rows >= len(batch.targets):
        return batch
    inputs = {name: array[:rows] for name, array in batch.inputs.items()}
    return Batch(inputs, batch.targets[:rows], batch.fresh)


def split(batch: Batch, parts: int, device: torch.device) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
    """A batch in parts of as many rows each, as tensors on a device."""
    size = len(batch.targets) // parts
    for first in range(0, parts * size, size):
        rows = slice(first, first + size)
        inputs = {name: _tensor(array[rows], device) for name, array in batch.inputs.items()}
        yield inputs, _tensor(batch.targets[rows], device)


def _tensor(array: Any, device: torch.device) -> Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def real_tokens(batch: Batch) -> int:
    """Tokens of a batch, padding left out."""
    masks = [array for name, array in batch.inputs.items() if name.endswith("mask")]
    if masks:
        return int(sum((mask != 0).sum() for mask in masks))
    return int(batch.targets.size)
