"""Importing a stranger's code: for so long and no longer, and without a trace in the process's settings.

The import runs in a thread of its own, which is given up when its time is over: a loop in Python is stopped, a
wait is left to itself. What an import may not do is caught and told: leave the program, hang, change settings.
docs/decisions/0011 says why so.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from threading import Thread
from typing import Any

from blocks.diagnostics import UsageError
from blocks.process import Snapshot

TO_REGISTER, TO_USE = 5.0, 20.0
"""Seconds that an import may take: of a plugin, to hear what it has; of that, when it is first used."""

_given_up: dict[str, str] = {}
"""Modules whose import was given up in this process, and why. Their locks may be held for ever."""


class TooLongError(Exception):
    """An import was not done in time."""


class LeftError(ImportError):
    """An import would have ended the program; its text is a whole sentence about that."""


class Stopped(BaseException):
    """Raised in the thread of an import that is given up; no `except Exception` of a plugin holds it."""


def timeout(default: float) -> float:
    """Seconds that one import may take: BLOCKS_PLUGIN_TIMEOUT. Raises UsageError where that is no such number."""
    text = os.environ.get("BLOCKS_PLUGIN_TIMEOUT", "")
    if not text:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 3600:
        raise UsageError.of(
            "B0605",
            f"BLOCKS_PLUGIN_TIMEOUT is {text!r}, not a number of seconds",
            help="such as 30; at most 3600",
        )
    return seconds


def is_ready(module: str) -> bool:
    """Whether a module is there, so that importing it runs nothing."""
    return module in sys.modules and module not in _given_up


def apart(work: Callable[[], Any], *, module: str, seconds: float) -> tuple[Any, tuple[str, ...]]:
    """What `work` returns, which imports `module`, and the settings that it changed, which are put back.

    Output goes to stderr: what a plugin prints is no part of ours. Raises TooLongError, at once for a module that
    was given up before; LeftError for an import that would have ended the program; or what `work` raises.
    """
    if module in _given_up:
        raise TooLongError(_given_up[module])
    returned: list[Any] = []
    raised: list[BaseException] = []
    changed: list[str] = []

    def run() -> None:
        try:
            before = Snapshot.take()
            try:
                returned.append(work())
            finally:
                changed.extend(before.restore())
        except BaseException as error:
            raised.append(error)

    thread = Thread(target=run, name="a plugin's import", daemon=True)
    here = Snapshot.take()
    with redirect_stdout(sys.stderr):
        thread.start()
        thread.join(seconds)
        if thread.is_alive():
            _stop(thread)
            changed.extend(what for what in here.restore() if what not in changed)
            _given_up[module] = f"still importing after {seconds:g} s"
            raise TooLongError(_given_up[module])
    if raised:
        if isinstance(raised[0], Exception):
            raise raised[0]
        raise LeftError(_named(raised[0])) from raised[0]
    return returned[0], tuple(changed)


def _stop(thread: Thread) -> None:
    """Raise Stopped in a thread, again where it is swallowed; a thread that waits stays as it is."""
    import ctypes

    for _ in range(20):
        if thread.ident is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident), ctypes.py_object(Stopped)
            )
        thread.join(0.01)
        if not thread.is_alive():
            return


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")
