"""What is said of each model that was compared, and how it is measured."""

from __future__ import annotations

import contextlib
import json
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from blocks import from_pretrained, report
from blocks_train.comparing.entries import Entry
from blocks_train.evaluation.command import scoring
from blocks_train.evaluation.measure import measure
from blocks_train.loop.asked import Asked
from blocks_train.loop.checkpoints import Checkpoint
from blocks_train.loop.run_folder import read_metrics, write_whole

SCORES = "scores.json"


@dataclass(frozen=True)
class Figures:
    """A row of the table; the keys of `as_json` are a contract.

    difference         of `parameters` from those that were asked for, or from those of the first, as a share
    flops_per_token    of training, forward and backward, at the context trained with; `forward` is that part of it
    state_bytes        of one sequence at that context, in float32
    tokens, seconds    of training; `seconds` are those of steps alone, without measuring and saving
    validation_loss    nats a token over all validation data, in windows of the context side by side
    curve              (tokens, validation loss) as training went on, as the run measured it
    """

    name: str
    parameters: int
    difference: float
    d_model: int
    flops_per_token: dict[str, int]
    state_bytes: int
    tokens: int
    tokens_per_second: float
    seconds: float
    validation_loss: float
    perplexity: float | None
    bits_per_byte: float
    run: str
    curve: tuple[tuple[int, float], ...] = field(repr=False, default=())

    def as_json(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self) | {"curve": [list(point) for point in self.curve]}


def measured(
    entry: Entry, asked: Asked, run: Path, found: Checkpoint, args: Namespace, console: Console
) -> Figures:
    """The figures of a run that is done. Raises BlocksError."""
    plan, training = asked.plan, asked.plan.train
    rows = read_metrics(run)
    steps = [row for row in rows if "tokens" in row]
    tokens, seconds = int(steps[-1]["tokens"]), float(steps[-1]["seconds"])
    costs = report(asked.recipe, training.context, dtype="float32", registry=args.registry).total
    scores = _scores(entry, asked, run, found, args)
    return Figures(
        name=entry.name,
        parameters=plan.parameters,
        difference=plan.parameters / entry.target - 1 if entry.target else 0.0,
        d_model=plan.sizes.d_model,
        flops_per_token={"forward": int(costs.forward), "train": int(costs.train)},
        state_bytes=int(costs.state_bytes),
        tokens=tokens,
        tokens_per_second=tokens / max(seconds, 1e-9),
        seconds=seconds,
        validation_loss=scores["loss"],
        perplexity=scores["perplexity"],
        bits_per_byte=scores["bits_per_byte"],
        run=str(run),
        curve=_curve(rows),
    )


def _scores(entry: Entry, asked: Asked, run: Path, found: Checkpoint, args: Namespace) -> dict[str, Any]:
    """Loss, perplexity and bits per byte over all validation data, kept beside the run for the next time."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads((run / SCORES).read_text(encoding="utf-8"))
        if kept["step"] == found.step:
            return {name: kept[name] for name in ("loss", "perplexity", "bits_per_byte")}
    training = asked.plan.train
    assert asked.validation is not None
    model = from_pretrained(found.folder, device=args.device, registry=args.registry)
    corpus = asked.validation
    with scoring(len(corpus.tokens) - len(corpus), f"measure {entry.name}") as step:
        scores = measure(
            model, asked.plan, corpus, context=training.context, stride=training.context,
            batch=training.batch, step=step, registry=args.registry,
        )  # fmt: skip
    kept = {"step": found.step, **scores.as_json()}
    write_whole(run / SCORES, json.dumps(kept, indent=2) + "\n")
    return kept


def _curve(rows: Sequence[dict[str, Any]]) -> tuple[tuple[int, float], ...]:
    """Validation loss by tokens."""
    tokens = {row["step"]: int(row["tokens"]) for row in rows if "tokens" in row}
    found = [
        (tokens[row["step"]], row["validation_loss"])
        for row in rows
        if isinstance(row.get("validation_loss"), float) and row["step"] in tokens
    ]
    return tuple(found)
