"""How a recipe is trained, in words and in rows: for `show`, `explain` and `diff`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from blocks import Component, PlannedTraining
from blocks.canonical import training_tree
from blocks.registry import TRAINING
from blocks.yaml_text import flow
from blocks_compiler import units


def rows(training: PlannedTraining) -> Iterator[tuple[str, str]]:
    """Name and value of every choice, the options of components behind their names: `optimizer.lr`."""
    for key, value in training_tree(training).items():
        if key in TRAINING and isinstance(value, Mapping) and key != "auxiliary":
            [(name, options)] = value.items()
            yield key, name
            yield from ((f"{key}.{option}", _said(inner)) for option, inner in options.items())
        elif isinstance(value, Mapping):
            yield from ((f"{key}.{name}", _said(inner)) for name, inner in value.items())
        else:
            yield key, _said(value)


def amount(training: PlannedTraining) -> str:
    """`2,000 steps of 16 x 256 tokens, 8.19 M in all`."""
    total = training.steps * training.batch * training.context
    steps = units.number(training.steps, "step")
    return f"{steps} of {training.batch:,} x {training.context:,} tokens, {units.count(total)} in all"


def component_options(component: Component) -> str:
    """Every option of a component that is not absent, with its value."""
    options = ((name, getattr(component, name)) for name in type(component).model_fields)
    return ", ".join(f"{name} {_said(value)}" for name, value in options if value is not None)


def rates(training: PlannedTraining) -> str:
    """`3e-05 at the first step, 0.0006 at step 2,000, 6e-05 at the last`: where the rate is highest, and its ends."""
    steps, last = training.steps, training.steps - 1
    seen = {
        step: training.rate(step)
        for step in {*range(0, steps, max(1, steps // 2048)), *_near(training), last}
    }
    highest = max(seen.values())
    top = min(step for step, rate in seen.items() if rate == highest)
    parts = [f"{seen[0]:.3g} at the first step"] if top else []
    parts.append(f"{highest:.3g} at {'the first step' if not top else f'step {top + 1:,}'}")
    if 0 < last != top:
        parts.append(f"{seen[last]:.3g} at the last")
    return ", ".join(parts)


def _near(training: PlannedTraining) -> Iterator[int]:
    """Steps about the end of the warm-up, where one is declared as such."""
    warmup = getattr(training.schedule, "warmup", 0)
    if isinstance(warmup, int | float):
        end = round(warmup * training.steps) if 0 < warmup < 1 else int(warmup)
        yield from (step for step in range(end - 2, end + 2) if 0 <= step < training.steps)


def means(training: PlannedTraining) -> Iterator[str]:
    """What else is said of the computation, a few words each."""
    if training.accumulate > 1:
        yield f"{training.accumulate} parts of {training.rows:,} rows a step"
    yield f"gradients clipped to a norm of {training.clip:g}" if training.clip is not None else "no clipping"
    yield training.dtype
    if training.compile:
        yield "compiled"
    if training.checkpoint:
        count = units.number(len(training.checkpoint), "block")
        yield f"activations of {', '.join(training.selectors)} ({count}) computed again"
    if training.ema is not None:
        yield f"moving average of the weights, decay {training.ema:g}"


def reading(training: PlannedTraining) -> Iterator[str]:
    """What is said of the data and of what is measured and kept."""
    yield {"stream": "windows of one long text", "documents": "documents packed into rows, kept apart"}.get(
        training.packing, "one text to a row, padded"
    ) + (", each going on where it stopped" if training.carry else "")
    yield f"{training.validation:.3g} of the data kept to measure by, every {units.number(training.eval_every, 'step')}"
    yield f"a checkpoint every {units.number(training.save_every, 'step')}"
    yield f"seed {training.seed}"


def _said(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else flow(value)
