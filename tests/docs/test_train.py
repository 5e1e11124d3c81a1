"""docs/guide/train.md: its commands work from top to bottom, and its tables name what there is."""

import json
import re
import shlex
from pathlib import Path

import pytest

from blocks.cli import main
from blocks.codes import CODES

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "train.md").read_text(encoding="utf-8")
SMALL = ["--set", "d_model=32", "--set", "train.batch=2", "--set", "train.context=16", "--steps", "2"]


def test_commands_work_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence's model is made small, and the recipe's steps fewer."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Path("book.txt").write_text("The sea was calm and the wind had gone to sleep. " * 60)
    (recipe,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    Path("waves.yaml").write_text(recipe.replace("steps: 200", "steps: 4"))
    for text in re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        for line in text.splitlines():
            line = line.removeprefix("$ ").replace("--steps 300", "--steps 6").replace(" 200 ", " 4 ")
            program, *arguments = shlex.split(line)
            small = SMALL if "--sentence" in arguments else []
            assert (program, main([*arguments, *small])) == ("blocks", 0), line
    rows = [json.loads(line) for line in Path("runs/waves/metrics.jsonl").read_text().splitlines()]
    for name in {name for row in rows for name in row if name != "step"}:
        assert f"`{name}`" in PAGE
    for path in Path("runs/waves").iterdir():
        assert path.name == ".lock" or f"`{path.name}" in PAGE


def test_codes_are_known() -> None:
    assert set(re.findall(r"B\d{4}", PAGE)) <= set(CODES)
