"""The loop's arithmetic: parts, carried states, clipping, precision, the very bits after a checkpoint."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import blocks
from blocks_train.data import Batch
from blocks_train.loop.recompute import recompute
from blocks_train.loop.trainer import NotFiniteError, Trainer, split
from blocks_train.loop.tree import flatten, named_in, unflatten
from blocks_train.objectives.module import NextToken
from blocks_train.optim.average import Average
from blocks_train.optim.make import adamw

RECIPE = """\
recipe: tiny
d_model: 16
vocab_size: 32
blocks:
  attention: {mixer: multi_head, n_heads: 2}
  mamba2: {mixer: mamba2, n_heads: 2, head_dim: 16, d_state: 8}
  gru: {mixer: gru}
  near: {mixer: sliding_window, n_heads: 2, window: 3}
model: [{embed: tokens}, {stack: {layers: LAYERS}}, {norm: rmsnorm}, {head: {lm: {tied: true}}}]
train: {batch: 4, context: 8, clip: none, TRAIN}
"""
OPTIONS = {
    "lr": 1e-3,
    "weight_decay": 0.1,
    "decay_embeddings": True,
    "beta1": 0.9,
    "beta2": 0.95,
    "eps": 1e-8,
}


class Rows:
    """Rows of a text of random tokens, some targets left out; with `carry` they go on from step to step."""

    def __init__(self, carry: bool = False, context: int = 8, batch: int = 4) -> None:
        self.carry, self.context, self.rows = carry, context, batch
        self.text = np.random.default_rng(0).integers(0, 32, (batch, 4000))

    def batch(self, step: int) -> Batch:
        first = step * self.context
        tokens = self.text[:, first : first + self.context].copy()
        targets = self.text[:, first + 1 : first + self.context + 1].copy()
        if not self.carry:
            targets[0, 2:] = -100
        return Batch({"tokens": tokens}, targets, fresh=not self.carry or step == 0)


def trainer_of(
    layers: str, train: str = "seed: 0", *, batches=None, ema=None, dtype=torch.float32, seed=0
) -> Trainer:
    text = RECIPE.replace("LAYERS", layers).replace("TRAIN", train)
    recipe = blocks.load(text)
    training = recipe.plan().train
    model = blocks.build(recipe, seed=seed).to(dtype)
    recompute(model, training.checkpoint)
    batches = batches or Rows(training.carry)
    average = Average(model, ema) if ema else None
    return Trainer(
        model,
        training,
        NextToken(model),
        adamw(model, OPTIONS),
        batches,
        torch.device("cpu"),
        average=average,
    )


def gradients(trainer: Trainer) -> dict[str, torch.Tensor]:
    batch = trainer.batches.batch(0)
    trainer.gradients(batch, trainer.objective, batch.count)
    return {name: p.grad for name, p in trainer.model.named_parameters()}


def test_parts_are_one_batch() -> None:
    """Targets are missing in one row alone, so that a mean of means would differ."""
    whole = gradients(trainer_of("[attention, mamba2]", dtype=torch.float64))
    for parts in (2, 4):
        some = gradients(trainer_of("[attention, mamba2]", f"accumulate: {parts}", dtype=torch.float64))
        assert all(torch.allclose(some[name], whole[name], rtol=1e-10, atol=1e-12) for name in whole)
    losses = [
        trainer_of("[attention, mamba2]", f"accumulate: {parts}", dtype=torch.float64).advance().loss
        for parts in (1, 2, 4)
    ]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-6)


def test_the_loss_is_the_mean_over_targets() -> None:
    trainer = trainer_of("[attention]")
    ((inputs, targets),) = split(trainer.batches.batch(0), 1, torch.device("cpu"))
    with torch.no_grad():
        logits = trainer.model(inputs["tokens"])[0]
    wanted = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
    step = trainer.advance()
    assert step.loss == pytest.approx(wanted.item(), rel=1e-5)
    assert step.tokens == 32
    assert step.number == trainer.step == 1


def test_gradients_are_clipped_together() -> None:
    trainer = trainer_of("[attention, gru]")
    trainer.training = replace(trainer.training, clip=0.01)
    before = gradients(trainer)
    norm = math.sqrt(sum(float(g.square().sum()) for g in before.values()))
    assert norm > 0.01
    assert float(trainer.clipped()) == pytest.approx(norm, rel=1e-5)
    after = math.sqrt(sum(float(p.grad.square().sum()) for p in trainer.model.parameters()))
    assert after == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("layers", ["[mamba2, mamba2]", "[gru]", "[near, mamba2]"])
def test_carried_states_are_one_long_row(layers: str) -> None:
    """Losses of two rows that follow each other are those of one row twice as long, at frozen weights."""
    long, short = trainer_of(layers, "carry: true"), trainer_of(layers, "carry: true")
    for trainer in (long, short):
        trainer.optimizer = torch.optim.SGD(trainer.model.parameters(), lr=0.0)
        trainer.optimizer.param_groups[0]["initial_lr"] = 0.0
    long.batches = Rows(True, context=16)
    wanted = long.advance().loss
    first, second = short.advance().loss, short.advance().loss
    assert (first + second) / 2 == pytest.approx(wanted, rel=1e-5)
    alone = trainer_of(layers, "carry: true")
    alone.step = 1  # the same batch, without the state before it
    assert alone.advance().loss != pytest.approx(second, rel=1e-5)


def test_carried_states_keep_no_history() -> None:
    trainer = trainer_of("[mamba2, gru]", "carry: true, accumulate: 2")
    for _ in range(3):
        trainer.advance()
    assert len(trainer.carried) == 2
    _, tensors = flatten(trainer.carried)
    assert tensors
    assert not any(tensor.requires_grad for tensor in tensors.values())


def test_autocast_computes_in_bfloat16_and_keeps_weights() -> None:
    plain, half = trainer_of("[attention, mamba2]"), trainer_of("[attention, mamba2]", "dtype: bfloat16")
    seen = []
    half.model.get_submodule("layers.0.mixer").out_proj.register_forward_hook(
        lambda m, a, y: seen.append(y.dtype)
    )
    for _ in range(3):
        a, b = plain.advance().loss, half.advance().loss
        assert a != b
        assert a == pytest.approx(b, rel=1e-2)
    assert seen == [torch.bfloat16] * 3
    assert {p.dtype for p in half.model.parameters()} == {torch.float32}


@pytest.mark.parametrize("train", ["seed: 0", "carry: true, accumulate: 2", "checkpoint: layers"])
def test_what_a_checkpoint_holds_goes_on_to_the_same_bits(train: str) -> None:
    layers = "[mamba2, gru]" if "carry" in train else "[attention, mamba2]"
    straight, ema = trainer_of(layers, train, ema=0.9), 0.9
    losses = [straight.advance().loss for _ in range(6)]
    first = trainer_of(layers, train, ema=ema)
    assert [first.advance().loss for _ in range(3)] == losses[:3]
    form, tensors = flatten(first.state())
    saved = {name: value.clone() for name, value in tensors.items()}
    weights = {name: value.clone() for name, value in (first.instead() or {}).items()}
    again = trainer_of(layers, train, ema=ema, seed=1)
    torch.manual_seed(99)
    names = named_in(vars(__import__("sys").modules[type(again.model).__module__]))
    again.load(3, weights, unflatten(json.loads(json.dumps(form)), saved, names, "cpu"))
    assert [again.advance().loss for _ in range(3)] == losses[3:]
    for left, right in ((straight, again),):
        _, a = flatten(left.state())
        _, b = flatten(right.state())
        assert a.keys() == b.keys()
        assert all(torch.equal(a[name], b[name]) for name in a)
        assert all(
            torch.equal(left.average.weights[n], right.average.weights[n]) for n in left.average.weights
        )


def test_a_step_that_is_not_finite_changes_nothing() -> None:
    trainer = trainer_of("[attention]")
    trainer.advance()
    objective = trainer.objective

    def broken(inputs, targets, state):
        outcome = objective(inputs, targets, state)
        torch.rand(1)
        return replace(outcome, loss_sum=outcome.loss_sum * math.nan)

    before = {name: p.clone() for name, p in trainer.model.named_parameters()}
    random = torch.get_rng_state()
    trainer.run = broken
    with pytest.raises(NotFiniteError, match="the loss is nan") as caught:
        trainer.advance()
    assert caught.value.step == 2
    assert trainer.step == 1
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(p, before[name]) for name, p in trainer.model.named_parameters())


def test_measuring_leaves_no_trace() -> None:
    trainer = trainer_of("[attention, gru]", ema=0.5)
    trainer.advance()
    trainer.advance()
    _, tensors = flatten(trainer.state())
    before = {name: value.clone() for name, value in tensors.items()}
    loss = trainer.measure(Rows(), 10)
    _, after = flatten(trainer.state())
    assert all(torch.equal(after[name], before[name]) for name in before)
    with trainer.average.instead(trainer.model), torch.no_grad():
        total = count = 0
        for step in range(3):
            ((inputs, targets),) = split(Rows().batch(step), 1, torch.device("cpu"))
            tokens, targets = (array[: 10 - 4 * step] for array in (inputs["tokens"], targets))
            logits = trainer.model(tokens)[0].flatten(0, 1)
            total += float(torch.nn.functional.cross_entropy(logits, targets.flatten(), reduction="sum"))
            count += int((targets != -100).sum())
    assert loss == pytest.approx(total / count, rel=1e-5)
    assert trainer.measure(Rows(), 10, lambda: True) is None


def test_the_rate_follows_the_schedule() -> None:
    trainer = trainer_of("[attention]", "steps: 4, schedule: {linear: {warmup: 2}}")
    rates = [trainer.advance().rate for _ in range(4)]
    assert rates == pytest.approx([0.5e-3, 1e-3, 1e-3, 0.5e-3])


def test_a_compiled_step_is_the_same_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Captured by the compiler, and run by torch itself, so that no C++ is compiled here."""
    compile, calls = torch.compile, []

    def captured(function):
        calls.append(function)
        return compile(function, backend="eager")

    monkeypatch.setattr(torch, "compile", captured)
    plain, graph = trainer_of("[attention]"), trainer_of("[attention]", "compile: true, accumulate: 2")
    wanted = [plain.advance().loss for _ in range(3)]
    assert [graph.advance().loss for _ in range(3)] == pytest.approx(wanted, rel=1e-5)
    assert len(calls) == 1


def test_auxiliary_losses_are_added_by_their_weight() -> None:
    """Their gradient is their weight times that of the mean over the parts."""
    given = []

    def term(state):
        (layer,) = state["layers"]
        given.append(layer)
        return layer.ssm.square().mean()

    plain, weighted = trainer_of("[mamba2]", "accumulate: 2"), trainer_of("[mamba2]", "accumulate: 2")
    alone = trainer_of("[mamba2]", "accumulate: 2")
    weighted.auxiliary = ((term, 0.5),)
    alone.auxiliary = ((term, 1.0),)
    alone.objective = alone.run = lambda *given, run=alone.objective: replace(
        run(*given), loss_sum=torch.zeros(())
    )
    sums, terms, wanted = gradients(weighted), gradients(alone), gradients(plain)
    assert len(given) == 4
    for name, gradient in wanted.items():
        own = terms[name] if terms[name] is not None else torch.zeros_like(gradient)
        assert torch.allclose(sums[name], gradient + 0.5 * own, rtol=1e-4, atol=1e-7), name
