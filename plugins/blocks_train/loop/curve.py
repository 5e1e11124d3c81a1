"""The plot of a run: loss against steps, what was trained on and what was measured on validation data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

INK, FAINT, LINE = "#24292f", "#8a939c", "#e6e9ec"
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
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    settings: Any = {
        "font.family": ["DejaVu Sans"],
        "font.size": 9.5,
        "svg.hashsalt": "blocks",
        "svg.fonttype": "path",
    }
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(7.2, 4.0), layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
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
        buffer = BytesIO()
        kind = path.suffix[1:].lower()
        figure.savefig(buffer, format=kind, dpi=200, metadata={"Date": None} if kind == "svg" else None)
    path.write_bytes(buffer.getvalue())
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
    axes.set_title(title, loc="left", color=INK, fontsize=11, fontweight="bold", pad=12)
    axes.set_xlabel("step", color=FAINT)
    axes.set_ylabel("loss, nats a token", color=FAINT)
    axes.grid(axis="y", color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, colors=FAINT)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#c5ccd3")


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
