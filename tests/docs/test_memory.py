"""docs/guide/memory.md: its commands work, and its options are those of the command."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from blocks.cli import main

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "memory.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ blocks (.*)$", PAGE, flags=re.MULTILINE)


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_work(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(shlex.split(line)) == 0
    assert capsys.readouterr().out


def test_every_option_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", "--help"]) == 0
    help = capsys.readouterr().out
    named = set(re.findall(r"`(--[a-z]+)", PAGE))
    assert named == {"--gpus", "--hbm", "--node", "--parallel", "--train", "--context", "--batch", "--dtype"}
    assert all(option in help for option in named)
