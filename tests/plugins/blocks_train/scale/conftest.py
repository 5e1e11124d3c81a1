"""Starting a script as several processes of one run, as torchrun does."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Start = Callable[..., list[subprocess.Popen[str]]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts `count` processes of a script, on a port of their own; they are gone when the test ends."""
    started: list[subprocess.Popen[str]] = []

    def start(count: int, script: str, *args: str | Path) -> list[subprocess.Popen[str]]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        about = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
        made = [
            subprocess.Popen(
                [sys.executable, script, *map(str, args)],
                env={
                    **os.environ,
                    **about,
                    "WORLD_SIZE": str(count),
                    "RANK": str(rank),
                    "LOCAL_RANK": str(rank),
                },
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for rank in range(count)
        ]
        started.extend(made)
        return made

    yield start
    for process in started:
        process.kill()


@pytest.fixture
def launch(start: Start) -> Callable[..., list[str]]:
    """Starts such processes, waits for them, and gives what each wrote to stdout; all have to end well."""

    def launch(count: int, script: str, *args: str | Path) -> list[str]:
        made = start(count, script, *args)
        said = [process.communicate(timeout=240) for process in made]
        assert [process.returncode for process in made] == [0] * count, "\n".join(err for _, err in said)
        return [out for out, _ in said]

    return launch
