"""The plot of a comparison: validation loss by tokens on the left, by the FLOPs that they took on the right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from blocks_train.comparing.figures import Figures
from blocks_train.plotting import FAINT, figure_of, frame

NAME = "comparison.svg"
COLORS = ("#0072b2", "#d55e00", "#009e73", "#b3558c", "#8a6100", "#56a0c9", "#333333")
"""After Okabe and Ito 2008, Color Universal Design; those too light for words on white are darkened."""
MARKERS = "osD^vPX"


def draw(rows: Sequence[Figures], path: Path) -> bool:
    """Write an .svg or .png file; false where nothing was measured twice.

    Raises ImportError without matplotlib, OSError where it cannot be written.
    """
    shown = [(index, row) for index, row in enumerate(rows) if len(row.curve) > 1]
    if not shown:
        return False
    with figure_of(path, 10.6, 4.4) as figure:
        left, right = figure.subplots(1, 2, sharey=True)
        _panel(left, shown, lambda row: 1.0, "Validation loss by tokens", "tokens of training")
        _panel(
            right, shown, lambda row: float(row.flops_per_token["train"]),
            "The same by computation", "FLOPs of training",
        )  # fmt: skip
        left.set_ylabel("loss, nats a token", color=FAINT)
        figure.canvas.draw()
        for axes in (left, right):
            _label(axes)
    return True


def _panel(axes: Any, shown: Sequence[tuple[int, Figures]], scale: Any, title: str, unit: str) -> None:
    from matplotlib.ticker import EngFormatter, MaxNLocator

    furthest = 0.0
    for index, row in shown:
        color, marker = COLORS[index % len(COLORS)], MARKERS[index % len(MARKERS)]
        x = [tokens * scale(row) for tokens, _ in row.curve]
        y = [loss for _, loss in row.curve]
        (line,) = axes.plot(x, y, marker=marker, color=color, linewidth=2.0, markersize=4.6)
        line.set_label(f"{row.name}  {row.validation_loss:.3f}")
        furthest = max(furthest, x[-1])
    axes.set_xlim(0, furthest * 1.02)
    frame(axes, title, unit)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(EngFormatter(sep=" "))


def _label(axes: Any) -> None:
    """Names at the ends of the lines, pushed apart where they would touch."""
    gap = 14 * axes.figure.dpi / 72
    lines = axes.get_lines()
    ends = [axes.transData.transform((line.get_xdata()[-1], line.get_ydata()[-1])) for line in lines]
    order = sorted(range(len(lines)), key=lambda index: ends[index][1])
    heights, previous = {}, float("-inf")
    for index in order:
        previous = heights[index] = max(ends[index][1], previous + gap)
    low, high = (axes.transAxes.transform((0, y))[1] for y in (0, 1))
    shift = max(0.0, previous - high)
    for index, line in enumerate(lines):
        axes.annotate(
            line.get_label(),
            (line.get_xdata()[-1], line.get_ydata()[-1]),
            xytext=(1.03, (heights[index] - shift - low) / (high - low)),
            textcoords="axes fraction",
            va="center",
            color=line.get_color(),
            fontweight="bold",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": line.get_color(), "linewidth": 0.6, "alpha": 0.5},
        )
