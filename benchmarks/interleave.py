"""Timing two things in turn, so that a machine whose speed drifts slows both alike."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path


def ratio(
    ours: Callable[[], object],
    theirs: Callable[[], object],
    runs: int,
    warmup: int = 2,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[float, float]:
    """Median seconds of both over `runs` interleaved runs, after a warm-up, by `clock`."""
    times: tuple[list[float], list[float]] = ([], [])
    for run in range(runs + warmup):
        order = ((0, ours), (1, theirs)) if run % 2 else ((1, theirs), (0, ours))
        for index, call in order:
            start = clock()
            call()
            if run >= warmup:
                times[index].append(clock() - start)
    return statistics.median(times[0]), statistics.median(times[1])


def machine() -> str:
    """The hardware and versions, for a result file."""
    import torch

    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{name}, {os.cpu_count()} cores, Python {platform.python_version()}, torch {torch.__version__}"


def publish(title: str, lead: str, head: str, rows: list[str], output: Path | None) -> None:
    """Write a table with its title and circumstances to `output`, if one is given."""
    rule = "|" + "---|" * (head.count("|") - 1)
    text = "\n".join([f"# {title}", "", lead, "", head, rule, *rows, ""])
    if output is not None:
        output.write_text(text, encoding="utf-8")
