"""Costs against context, drawn: state bytes on the left, FLOPs a decoded token on the right, one line a recipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from blocks import BlocksError, UsageError
from blocks_compiler import units
from blocks_compiler.backends.report import Meter
from blocks_compiler.backends.write import write_bytes

POINTS = 60
FORMATS = (".svg", ".png", ".pdf")
COLORS = ("#d95f0e", "#1f6fb4", "#6a51a3", "#2b8c5a", "#b3356c", "#8c6d1f", "#4a4a4a")
INK, FAINT = "#24292f", "#8a939c"


def plot(meters: Sequence[Meter], contexts: Sequence[int], path: Path) -> None:
    """Write the plot to an .svg, .png or .pdf file.

    Raises UsageError for another suffix or a single context, BlocksError B0806 without matplotlib.
    """
    if path.suffix.lower() not in FORMATS:
        raise UsageError.of(
            "B0805", f"a plot cannot be written to {path}", help=f"end it in {', '.join(FORMATS)}"
        )
    if len(contexts) < 2:
        raise UsageError.of("B0805", "a plot needs a range of contexts", help="--context 1k..1M")
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise BlocksError.of(
            "B0806", f"plotting needs matplotlib ({error})", help='pip install "blocks-dsl[plot]"'
        ) from None
    from io import BytesIO

    settings: Any = {
        "font.family": ["DejaVu Sans"],
        "font.size": 9.5,
        "svg.hashsalt": "blocks",
        "svg.fonttype": "path",
        "pdf.fonttype": 42,
    }
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(9.6, 4.1), layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2)
        contexts = _dense(contexts[0], contexts[-1])
        totals = [[meter.total(context) for context in contexts] for meter in meters]
        names = [meter.plan.name for meter in meters]
        plural = "s" * (meters[0].batch != 1)
        _panel(
            left, contexts, names, [[float(c.state_bytes) for c in costs] for costs in totals], units.size, 2,
            f"State of {meters[0].batch:,} sequence{plural}, {meters[0].dtype}",
        )  # fmt: skip
        _panel(
            right, contexts, names, [[float(c.decode) for c in costs] for costs in totals], units.flops, 10,
            "FLOPs a token, decoding",
        )  # fmt: skip
        buffer = BytesIO()
        metadata = {"Date": None} if path.suffix.lower() == ".svg" else {"CreationDate": None}
        figure.savefig(
            buffer,
            format=path.suffix[1:].lower(),
            dpi=200,
            metadata=None if path.suffix.lower() == ".png" else metadata,
        )
    write_bytes(path, buffer.getvalue())


def _panel(
    axes: Any,
    contexts: Sequence[int],
    names: Sequence[str],
    lines: Sequence[Sequence[float]],
    written: Callable[[Any], str],
    base: int,
    title: str,
) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

    axes.set_xscale("log")
    axes.set_yscale("log", base=base)
    for values, color in zip(lines, _colors(len(lines)), strict=True):
        axes.plot(
            contexts, values, color=color, linewidth=2.4, solid_capstyle="round", solid_joinstyle="round"
        )
        axes.plot(contexts[-1:], values[-1:], "o", color=color, markersize=5.5)
    axes.set_xlim(contexts[0], contexts[-1] * (contexts[-1] / contexts[0]) ** 0.03)
    positive = [value for values in lines for value in values if value > 0] or [1.0]
    low, high = min(positive), max(positive)
    if high / low < 8:  # room around lines that are nearly flat
        low, high = low / 2, high * 2
    axes.set_ylim(low / (high / low) ** 0.08, high * (high / low) ** 0.1)
    _label_lines(axes, contexts, names, lines, written)
    axes.set_title(title, loc="left", color=INK, fontsize=11, fontweight="bold", pad=12)
    axes.set_xlabel("context, tokens", color=FAINT)
    decades = [10**power for power in range(13) if contexts[0] <= 10**power <= contexts[-1]]
    ticks = decades if len(decades) > 1 else list(contexts)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: units.tokens(round(value))))
    if base == 2:
        axes.yaxis.set_major_locator(LogLocator(base=16 if high / low > 5000 else 4, numticks=12))
    else:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 300 else (1,), numticks=12))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _round(written(round(value)))))
    axes.grid(axis="y", color="#e6e9ec", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, colors=FAINT)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#c5ccd3")


def _label_lines(
    axes: Any, contexts: Sequence[int], names: Sequence[str], lines: Sequence[Sequence[float]],
    written: Callable[[Any], str],
) -> None:  # fmt: skip
    """Names and last values beside the last points, pushed apart where they would touch."""
    axes.figure.canvas.draw()
    low, high = (axes.transData.transform((contexts[0], y))[1] for y in axes.get_ylim())
    gap = 27 * axes.figure.dpi / 72
    wanted = [
        (axes.transData.transform((contexts[-1], max(v[-1], axes.get_ylim()[0])))[1], i)
        for i, v in enumerate(lines)
    ]
    placed: dict[int, float] = {}
    previous = low - gap
    for y, index in sorted(wanted):
        previous = placed[index] = max(y, previous + gap)
    overflow = max(0.0, previous - high)
    for index, color in enumerate(_colors(len(lines))):
        last = lines[index][-1]
        axes.annotate(
            f"{names[index]}\n{written(round(last))}",
            (contexts[-1], max(last, axes.get_ylim()[0])),
            xytext=(9, (placed[index] - overflow - wanted[index][0]) * 72 / axes.figure.dpi),
            textcoords="offset points",
            va="center",
            color=color,
            fontweight="bold",
            annotation_clip=False,
        )


def _dense(first: int, last: int) -> list[int]:
    """Points close enough together for a smooth line, evenly spaced in the logarithm."""
    inner = (round(first * (last / first) ** (i / POINTS)) for i in range(1, POINTS))
    return list(dict.fromkeys((first, *inner, last)))


def _colors(count: int) -> list[str]:
    return [COLORS[i % len(COLORS)] for i in range(count)]


def _round(text: str) -> str:
    """`16.0 GiB` as a tick: `16 GiB`."""
    number, _, unit = text.partition(" ")
    return f"{float(number):g} {unit}"
