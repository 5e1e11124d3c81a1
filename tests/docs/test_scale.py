"""docs/guide/scale.md: its commands work from top to bottom on a small model, those under torchrun as well."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from blocks.codes import CODES

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "scale.md").read_text(encoding="utf-8")
SMALL = ["--set", "d_model=32", "--set", "train.batch=4", "--set", "train.context=16", "--steps", "2"]
PROGRAM = "import sys\nfrom blocks.cli import main\n\nsys.exit(main())\n"


def test_commands_work_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model is made small, and the steps and processes fewer."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    Path("book.txt").write_text("The sea was calm and the wind had gone to sleep. " * 60)
    Path("blocks_main.py").write_text(PROGRAM)
    commands = [
        line.removeprefix("$ ")
        for text in re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
        for line in text.splitlines()
    ]
    assert len(commands) == 5
    for command in commands:
        words = shlex.split(
            command.replace("--steps 40", "--steps 4")
            .replace("--steps 60", "--steps 6")
            .replace("node 4", "node 2")
        )
        if "--resume" not in words:
            words += SMALL
        if words[0] == "torchrun":
            at = words.index("--no-python")
            assert words[at + 1] == "blocks"
            options = ["--standalone", *words[1:at]]
            call = ["-m", "torch.distributed.run", *options, "blocks_main.py", *words[at + 2 :]]
        else:
            call = ["blocks_main.py", *words[1:]]
        done = subprocess.run([sys.executable, *call], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
    names = {path.name for path in Path("runs/two/checkpoints/step-00000006/training").iterdir()}
    assert len(names) == 2


def test_codes_are_known() -> None:
    assert set(re.findall(r"B\d{4}", PAGE)) <= set(CODES)
