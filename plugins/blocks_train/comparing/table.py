"""The table of a comparison: as text, as markdown, and as an object."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from blocks_train.comparing.figures import Figures
from blocks_train.loop.asked import Asked
from blocks_train.loop.progress import duration

HEADS = (
    "model", "parameters", "FLOPs/token", "tokens/s", "time", "loss", "perplexity", "bits/byte", "state",
)  # fmt: skip
FOOT = (
    "loss in nats a token over all validation data, in windows of {context} tokens side by side; FLOPs of a training "
    "step a token, forward and backward; state of one sequence of {context} tokens in float32; tokens/s and time of "
    "training steps alone"
)


def record(asked: Asked, rows: Sequence[Figures], plot: Path | None) -> dict[str, Any]:
    """What scripts read; its keys are a contract."""
    training = asked.plan.train
    return {
        "data": asked.record["data"],
        "tokenizer": asked.record["tokenizer"],
        "train": {
            "steps": training.steps, "batch": training.batch, "context": training.context,
            "packing": training.packing, "validation": training.validation, "seed": training.seed,
        },
        "versions": asked.record["versions"],
        "plot": str(plot) if plot is not None else None,
        "models": [row.as_json() for row in rows],
    }  # fmt: skip


def as_text(asked: Asked, rows: Sequence[Figures]) -> str:
    """Lines for a terminal."""
    cells = [HEADS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADS))]
    lines = [_title(asked, rows), ""]
    for line in cells:
        first, *others = (
            text.ljust(width) if column == 0 else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        lines.append("  ".join((first, *others)).rstrip())
    return "\n".join([*lines, "", _foot(asked)])


def as_markdown(asked: Asked, rows: Sequence[Figures]) -> str:
    """A page with the table."""
    lines = [
        _title(asked, rows), "",
        f"| {' | '.join(HEADS)} |", f"|---|{'---:|' * (len(HEADS) - 1)}",
        *(f"| {' | '.join(_cells(row))} |" for row in rows),
        "", _foot(asked), "",
    ]  # fmt: skip
    return "\n".join(lines)


def _title(asked: Asked, rows: Sequence[Figures]) -> str:
    training = asked.plan.train
    batch = f"{training.steps:,} steps of {training.batch} x {training.context} tokens"
    return f"{rows[0].tokens:,} tokens each: {batch}, the same batches for all, seed {training.seed}"


def _foot(asked: Asked) -> str:
    return FOOT.format(context=asked.plan.train.context)


def _cells(row: Figures) -> tuple[str, ...]:
    differs = f" ({row.difference:+.1%})" if row.difference else ""
    perplexity = f"{row.perplexity:,.2f}" if row.perplexity is not None else "-"
    return (
        row.name,
        f"{row.parameters:,}{differs}",
        _short(row.flops_per_token["train"], 1000, ("", "k", "M", "G", "T", "P")),
        f"{row.tokens_per_second:,.0f}",
        duration(row.seconds),
        f"{row.validation_loss:.4f}",
        perplexity,
        f"{row.bits_per_byte:.4f}",
        _short(row.state_bytes, 1024, (" B", " KiB", " MiB", " GiB", " TiB")),
    )


def _short(value: float, base: int, units: Sequence[str]) -> str:
    """Three digits and a unit: 4.72M, 1.5 KiB."""
    power = 0
    while value >= base and power < len(units) - 1:
        value, power = value / base, power + 1
    return f"{value:.3g}{units[power]}"
