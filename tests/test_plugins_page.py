"""docs/plugins.md: every command on it is run, in order, in a throw-away environment."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from blocks.cli import main

PAGE = Path(__file__).parents[1] / "docs" / "plugins.md"


def commands() -> list[str]:
    """The lines after `$ ` of all console blocks."""
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]


def test_every_command_works(
    tmp_path: Path, monkeypatch: Any, capsys: Any, install_wheel: Callable[[Path], Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    environment: Any = None
    for line in commands():
        words = shlex.split(line)
        given = dict(words.pop(0).split("=", 1) for _ in range(len(words)) if "=" in words[0])
        program, *arguments = words
        if program == "cd":
            monkeypatch.chdir(arguments[0])
        elif program == "pip":  # an editable installation, as a wheel
            environment = install_wheel(Path.cwd())
        elif environment is None:
            assert main(arguments) == 0, line
        elif program == "blocks":
            done = environment.blocks(*arguments, cwd=Path.cwd(), **given)
            assert (done.returncode, done.stderr) == (0, ""), line
        else:
            module = ["-m", "pytest", "-p", "no:cacheprovider"] if program == "pytest" else []
            offline = ["--no-index", "--no-build-isolation"] if "wheel" in arguments else []
            done = environment.run(*module, *arguments, *offline, cwd=Path.cwd())
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    assert {path.name for path in tmp_path.rglob("*")} >= {"fast-memory.svg", "model.py", "model.safetensors"}
    assert list(tmp_path.rglob("dist/*.whl"))
