"""How plots of training look: words at the ends of lines in place of a legend, and nothing that says nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

INK, FAINT, LINE, AXIS = "#24292f", "#6b747d", "#e6e9ec", "#c5ccd3"


@contextmanager
def figure_of(path: Path, width: float, height: float) -> Iterator[Any]:
    """A figure of so many inches, written to an .svg or .png file at the end; the same bytes for the same data.

    Raises ImportError without matplotlib, OSError where it cannot be written.
    """
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
        figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        yield figure
        buffer = BytesIO()
        kind = path.suffix[1:].lower()
        figure.savefig(buffer, format=kind, dpi=200, metadata={"Date": None} if kind == "svg" else None)
    path.write_bytes(buffer.getvalue())


def frame(axes: Any, title: str, unit: str) -> None:
    """A title at the left, the unit of the horizontal axis, faint lines across, and no box."""
    axes.set_title(title, loc="left", color=INK, fontsize=11, fontweight="bold", pad=12)
    axes.set_xlabel(unit, color=FAINT)
    axes.grid(axis="y", color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, colors=FAINT)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(AXIS)
