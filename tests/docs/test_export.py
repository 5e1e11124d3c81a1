"""docs/guide/export.md: its commands and its code do what the page says, and its tables name what there is."""

import re
import shlex
from pathlib import Path

import pytest

import blocks_hf
from blocks import Registry
from blocks.cli import main

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "export.md").read_text(encoding="utf-8")


def test_commands_and_code_work_from_top_to_bottom(tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    for language, text in re.findall(r"^```(console|python)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        if language == "console":
            for line in text.splitlines():
                program, *arguments = shlex.split(line.removeprefix("$ "))
                assert (program, main(arguments)) == ("blocks", 0), line
        else:
            exec(compile(text, "export.md", "exec"), {})
    assert {path.name for path in tmp_path.iterdir()} == {"hybrid", "nemotron", "gpt2.onnx", "gpt2.pt2"}


def test_every_format_and_every_class_is_in_a_table():
    for name in Registry.installed(plugins=False).names("exporter"):
        assert f"| `{name}` |" in PAGE
    classes = [name for name in blocks_hf.__all__ if name.startswith(("BlocksFor", "BlocksModel"))]
    assert [name for name in classes if f"| {name}, Auto" not in PAGE] == []
