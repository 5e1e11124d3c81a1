"""Ending by request: the first SIGINT or SIGTERM lets the step end and the run be saved, the second ends it at once."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any


class Stop:
    """Whether to end; `signal` is the number of the one that asked for it."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def __bool__(self) -> bool:
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """What a shell gives for a program that a signal ended: 130, 143."""
        return 0 if self.signal is None else 128 + self.signal

    @property
    def name(self) -> str:
        """SIGINT, SIGTERM."""
        return "" if self.signal is None else signal.Signals(self.signal).name


@contextlib.contextmanager
def stopping() -> Iterator[Stop]:
    """Take both signals; put back what handled them before, at the end."""
    stop = Stop()
    before: dict[signal.Signals, Any] = {}

    def take(number: int, frame: FrameType | None) -> None:
        stop.signal = number
        for each in before:
            signal.signal(each, signal.SIG_DFL)

    if threading.current_thread() is threading.main_thread():
        before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
        for each in before:
            signal.signal(each, take)
    try:
        yield stop
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
