"""The plot of a run: loss against steps, what was trained on and what was measured on validation data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from blocks_train.plotting import FAINT, figure_of, frame

TRAIN, VALIDATION = "#1f6fb4", "#d95f0e"
NAME = "loss.svg"


def draw(rows: Sequence[Mapping[str, Any]], title: str, path: Path) -> bool:
    """Write the curves of metrics to an SVG or PNG file; false where there is nothing to draw.

    Raises ImportError without matplotlib, OSError where it cannot be written.
    """
    steps = [(row["step"], row["loss"]) for row in rows if isinstance(row.get("loss"), float)]
    measured = [
        (row["step"], row["validation_loss"]) for row in rows if isinstance(row.get("validation_loss"), float)
    ]
    if len(steps) < 2:
        return False
    with figure_of(path, 7.2, 4.0) as figure:
        axes = figure.subplots()
        x, y = zip(*steps, strict=True)
        window = max(1, len(y) // 100)
        axes.plot(x, y, color=TRAIN, linewidth=0.7, alpha=0.25 if window > 1 else 0.0)
        smooth = smoothed(y, window)
        axes.plot(x, smooth, color=TRAIN, linewidth=2.0, solid_capstyle="round")
        ends = [("train", x[-1], smooth[-1], TRAIN)]
        if measured:
            at, values = zip(*measured, strict=True)
            axes.plot(at, values, "o-", color=VALIDATION, linewidth=1.6, markersize=3.6)
            ends.append(("validation", at[-1], values[-1], VALIDATION))
        _frame(axes, title, [*smooth, *(value for _, value in measured)], x)
        _label(axes, ends)
    return True


def smoothed(values: Sequence[float], window: int) -> list[float]:
    """The mean of the last `window` values at each."""
    found, total = [], 0.0
    for index, value in enumerate(values):
        total += value - (values[index - window] if index >= window else 0.0)
        found.append(total / min(index + 1, window))
    return found


def _frame(axes: Any, title: str, values: Sequence[float], x: Sequence[int]) -> None:
    low, high = min(values), max(values)
    room = 0.06 * (high - low or 1.0)
    axes.set_ylim(low - room, high + room)
    axes.set_xlim(0, x[-1] * 1.02)
    axes.set_ylabel("loss, nats a token", color=FAINT)
    frame(axes, title, "step")


def _label(axes: Any, ends: Sequence[tuple[str, float, float, str]]) -> None:
    """Names and last values at the right, apart from each other."""
    axes.figure.canvas.draw()
    gap = 26 * axes.figure.dpi / 72
    placed = sorted((axes.transData.transform((x, y))[1], name, x, y, color) for name, x, y, color in ends)
    previous = -gap
    for height, name, _, y, color in placed:
        at = max(height, previous + gap)
        previous = at
        axes.annotate(
            f"{name}\n{y:.4f}",
            (1.0, y),
            xycoords=("axes fraction", "data"),
            xytext=(6, (at - height) * 72 / axes.figure.dpi),
            textcoords="offset points",
            va="center",
            color=color,
            fontweight="bold",
            annotation_clip=False,
        )
