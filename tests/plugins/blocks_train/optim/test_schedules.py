"""Schedules: their formulas at points, and those of torch and transformers, step by step."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

import pytest
import torch

import blocks
from blocks import Registry, Schedule, Sizes
from blocks_train.optim.schedules import WSD, Constant, Cosine, InverseSqrt, Linear, Noam, Step

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
STEPS, WARMUP = 200, 20


def theirs(make: Callable[..., Any], **options: Any) -> list[float]:
    """The factors of a scheduler of torch's kind, for steps 0 to STEPS."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer, **options)
    found = []
    for _ in range(STEPS + 1):
        found.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return found


def ours(schedule: Schedule) -> list[float]:
    return [schedule.factor(step, STEPS) for step in range(STEPS)]


def test_they_decay_as_those_of_transformers() -> None:
    """Theirs begin with a step of rate 0, so the warm-up is one step later; behind it they are the same."""
    from transformers import optimization as hf

    pairs = {
        hf.get_constant_schedule_with_warmup: ({}, Constant(warmup=WARMUP)),
        hf.get_linear_schedule_with_warmup: ({"num_training_steps": STEPS}, Linear(warmup=WARMUP)),
        hf.get_cosine_schedule_with_warmup: ({"num_training_steps": STEPS}, Cosine(warmup=WARMUP, minimum=0)),
        hf.get_cosine_with_min_lr_schedule_with_warmup: (
            {"num_training_steps": STEPS, "min_lr_rate": 0.1},
            Cosine(warmup=WARMUP, minimum=0.1),
        ),
    }
    for make, (options, schedule) in pairs.items():
        expected = theirs(make, num_warmup_steps=WARMUP, **options)
        found = ours(schedule)
        assert found[:WARMUP] == pytest.approx(expected[1 : WARMUP + 1], rel=1e-12), make.__name__
        assert found[WARMUP:] == pytest.approx(expected[WARMUP:STEPS], rel=1e-12), make.__name__


@pytest.mark.parametrize(("shape", "name"), [("linear", "linear"), ("cosine", "cosine"), ("sqrt", "1-sqrt")])
def test_wsd_decays_as_that_of_transformers(shape: Any, name: str) -> None:
    from transformers.optimization import get_wsd_schedule

    options = {"num_warmup_steps": WARMUP, "num_decay_steps": 50, "num_training_steps": STEPS}
    expected = theirs(get_wsd_schedule, decay_type=name, **options)
    found = ours(WSD(warmup=WARMUP, decay=50, shape=shape, minimum=0))
    assert found[:WARMUP] == pytest.approx(expected[1 : WARMUP + 1], rel=1e-12)
    assert found[WARMUP:] == pytest.approx(expected[WARMUP:STEPS], rel=1e-12)
    expected = theirs(
        get_wsd_schedule, decay_type=name, min_lr_ratio=0.05, **options
    )  # their warm-up begins there
    found = ours(WSD(warmup=WARMUP, decay=50, shape=shape, minimum=0.05))
    assert found[WARMUP:] == pytest.approx(expected[WARMUP:STEPS], rel=1e-12)


def test_inverse_sqrt_is_that_of_transformers_by_the_number_of_the_step() -> None:
    from transformers.optimization import get_inverse_sqrt_schedule

    expected = theirs(get_inverse_sqrt_schedule, num_warmup_steps=WARMUP)
    assert ours(InverseSqrt(warmup=WARMUP)) == pytest.approx(expected[1:], rel=1e-12)


def test_steps_are_those_of_torch() -> None:
    every = theirs(torch.optim.lr_scheduler.StepLR, step_size=30, gamma=0.5)
    assert ours(Step(every=30, gamma=0.5)) == pytest.approx(every[:STEPS], rel=1e-12)
    named = theirs(torch.optim.lr_scheduler.MultiStepLR, milestones=[100, 150], gamma=0.1)
    assert (
        ours(Step(at=[100, 150])) == ours(Step().bind(Sizes(64))) == pytest.approx(named[:STEPS], rel=1e-12)
    )
    floored = ours(Step(at=[10, 20, 30], minimum=0.05, warmup=4))
    assert [floored[step] for step in (0, 3, 9, 10, 20, 30)] == pytest.approx([0.25, 1, 1, 0.1, 0.05, 0.05])


def test_noam_is_equation_3() -> None:
    noam = Noam(d_model=512)
    for n in (1, 100, 4000, 4001, 100_000):
        expected = 512**-0.5 * min(n**-0.5, n * 4000**-1.5)
        assert noam.factor(n - 1, 100_000) == pytest.approx(expected, rel=1e-15)
    peak = max(noam.factor(step, 100_000) for step in range(3000, 5000))
    assert (
        peak == noam.factor(3999, 100_000) == pytest.approx(6.9877e-4, rel=1e-4)
    )  # about 7e-4, as is often quoted
    inverse = InverseSqrt(warmup=4000)
    for step in (0, 17, 3998, 3999, 4000, 99_999):
        assert noam.factor(step, 100_000) / peak == pytest.approx(inverse.factor(step, 100_000), rel=1e-12)


def test_noam_takes_the_width_of_the_model() -> None:
    assert Noam().bind(Sizes(d_model=256)) == Noam(d_model=256)
    assert Noam(d_model=64).bind(Sizes(d_model=256)) == Noam(d_model=64)


def test_cosine_at_points() -> None:
    cosine = Cosine(warmup=10, minimum=0.2)
    assert [cosine.factor(step, 110) for step in (0, 4, 9, 10)] == [0.1, 0.5, 1.0, 1.0]
    assert cosine.factor(60, 110) == pytest.approx(0.6)  # half way
    assert cosine.factor(110, 110) == cosine.factor(10**6, 110) == pytest.approx(0.2)  # behind the last step


def test_linear_and_wsd_at_points() -> None:
    assert [Linear(warmup=0, minimum=0.5).factor(step, 4) for step in range(5)] == [
        1.0,
        0.875,
        0.75,
        0.625,
        0.5,
    ]
    wsd = WSD(warmup=2, decay=4, minimum=0.0001, shape="exponential")
    found = [wsd.factor(step, 10) for step in range(11)]
    assert found == pytest.approx([0.5, 1, 1, 1, 1, 1, 1, 0.1, 0.01, 0.001, 0.0001])
    none = WSD(warmup=0, decay=0)
    assert [none.factor(step, 3) for step in range(3)] == [1.0, 1.0, 1.0]


def test_a_number_below_one_is_a_share_of_the_steps() -> None:
    share, count = Cosine(warmup=0.05), Cosine(warmup=10)
    assert ours(share) == ours(count)
    assert ours(WSD(decay=0.25)) == ours(WSD(warmup=2, decay=50))
    assert [Cosine(warmup=0.01).factor(0, steps) for steps in (1, 49, 150)] == [1.0, 1.0, 0.5]


def every() -> list[Any]:
    return [
        pytest.param(entry.load(), id=entry.name)
        for entry in Registry.installed(plugins=False).of_kind("schedule")
    ]


@pytest.mark.parametrize("cls", every())
def test_every_factor_is_finite_and_positive_however_few_the_steps(cls: type[Schedule]) -> None:
    schedule = cls().bind(Sizes(d_model=64))
    for steps in (1, 2, 3, 100, 5000):
        for step in {0, 1, 2, steps // 2, steps - 1, steps, 2 * steps}:
            factor = schedule.factor(step, steps)
            assert math.isfinite(factor)
            assert factor > 0 or step >= steps
            assert factor <= 1


RECIPE = """recipe: r
d_model: 64
vocab_size: 100
blocks: {ffn: {mixer: mlp}}
model: [{embed: tokens}, {stack: {layers: [ffn]}}, {head: lm}]
train: {steps: 100, schedule: {%s}}
"""


@pytest.mark.parametrize(
    ("said", "message", "at"),
    [
        ("cosine: {warmup: 2000}", "a warm-up of 2,000 steps is longer than the 100 steps of training", "2000"),
        ("noam: {}", "a warm-up of 4,000 steps is longer than the 100 steps of training", "{}"),
        ("linear: {warmup: 1.5}", "warmup is 1.5: neither a whole number of steps nor a share of them", "1.5"),
        ("wsd: {warmup: 60, decay: 0.5}", "60 steps of warm-up and 50 of decay are more than the 100", "0.5"),
        ("wsd: {minimum: 0, shape: exponential}", "what decays exponentially never comes to 0", "0,"),
        ("step: {at: [50, 200]}", "a milestone at step 200 is behind the 100 steps of training", "["),
        ("step: {at: [50, 20]}", "milestones in another order than they come", "["),
        ("step: {every: 200}", "a milestone at step 200 is behind the 100 steps of training", "200"),
        ("step: {every: 10, at: [50]}", "every says where the milestones are, and at says so too", "["),
    ],
)  # fmt: skip
def test_what_does_not_fit_says_where(said: str, message: str, at: str) -> None:
    text = RECIPE % said
    with pytest.raises(blocks.RecipeError) as raised:
        blocks.load(text).plan()
    (found,) = raised.value.diagnostics
    assert found.message.startswith(message)
    assert found.span is not None
    line = text.splitlines()[found.span.line - 1]
    assert line[found.span.column - 1 :].startswith(at)
    assert found.help
