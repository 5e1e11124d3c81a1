"""docs/guide/evaluate.md: its commands work, its keys are those that are printed, its codes exist."""

import json
import re
import shlex
from pathlib import Path

from blocks.cli import main
from blocks.codes import CODES

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "evaluate.md").read_text(encoding="utf-8")


def test_commands_work_from_top_to_bottom(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("book.txt").write_text("Once upon a time there was a reader. " * 20)
    [text] = re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    for line in text.splitlines():
        program, *arguments = shlex.split(line.removeprefix("$ "))
        capsys.readouterr()
        assert (program, main(arguments)) == ("blocks", 0), line
    found = json.loads(capsys.readouterr().out)
    assert (found["context"], found["stride"]) == (128, 32)
    described = PAGE[PAGE.index("## For programs") :]
    assert [key for key in found if f"`{key}`" not in described] == []


def test_codes_exist():
    assert set(re.findall(r"B\d{4}", PAGE)) <= CODES.keys()
