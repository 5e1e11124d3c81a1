"""What a person sees while a model is trained: one line that changes on a terminal, some lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from blocks_train.loop.metrics import perplexity

EVERY = 10.0
"""Seconds between lines where there is no terminal."""
WIDE = 110
"""Columns of a terminal that has room for a bar as well."""


class Line:
    """The progress of a run of `steps` steps that begins at `start`.

    flops  of training a token, from the cost report; `peak` FLOPs a second of the machine: their share is the MFU
    """

    def __init__(
        self, start: int, steps: int, *, flops: float, peak: float, console: Console | None = None
    ) -> None:
        self.steps, self.flops, self.peak = steps, flops, peak
        self.console = console or Console(stderr=True, soft_wrap=True)
        self.rate = 0.0
        self.told = self.began = time.monotonic()
        self.first = start
        live = self.console.is_terminal
        bar = (BarColumn(bar_width=20),) if self.console.width >= WIDE else ()
        columns = (*bar, TextColumn("{task.fields[text]}"))
        self.progress = Progress(*columns, console=self.console, disable=not live, transient=True)
        self.task = self.progress.add_task("train", total=steps, completed=start, text="")

    def step(self, step: int, loss: float, tokens: int, seconds: float, memory: int) -> None:
        """Show a step that took some seconds for some tokens, with `memory` bytes in use."""
        rate = tokens / max(seconds, 1e-9)
        self.rate = rate if not self.rate else 0.9 * self.rate + 0.1 * rate
        text = self.text(step, loss, memory)
        self.progress.update(self.task, completed=step, text=text)
        now = time.monotonic()
        if self.progress.disable and (now - self.told >= EVERY or step == self.steps):
            self.told = now
            self.console.print(text, markup=False, highlight=False)

    def text(self, step: int, loss: float, memory: int) -> str:
        """The line of a step, what matters most in front: a narrow terminal cuts its end."""
        parts = [f"step {step:,}/{self.steps:,}"]
        done = step - self.first
        if done > 0 and step < self.steps:
            left = (time.monotonic() - self.began) / done * (self.steps - step)
            parts.append(f"{duration(left)} left")
        parts += [
            f"loss {loss:.4f}",
            f"perplexity {perplexity(loss):,.2f}",
            f"{self.rate:,.0f} tokens/s",
        ]
        if self.peak:
            parts.append(f"MFU {100 * self.rate * self.flops / self.peak:.0f}%")
        if memory:
            parts.append(size(memory))
        return "  ".join(parts)

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self.console.print(text, markup=False, highlight=False)

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.progress.stop()


def duration(seconds: float) -> str:
    """`1:02:03`, or `2:03` below an hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def size(count: int) -> str:
    """`1.4 GiB`, `310 MiB`."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def working(console: Console) -> Any:
    """A spinner for preparations of unknown length; `update(text)` says what is being done."""
    return console.status("prepare") if console.is_terminal else _Quiet()


class _Quiet:
    def update(self, text: str) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *about: object) -> None:
        pass
