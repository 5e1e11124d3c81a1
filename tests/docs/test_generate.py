"""docs/guide/generate.md: its commands and code work, its options and codes exist."""

import dataclasses
import re
import shlex
from argparse import ArgumentParser
from pathlib import Path

from blocks.cli import main
from blocks.codes import CODES
from blocks_generate import Options
from blocks_generate.command import COMMAND

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "generate.md").read_text(encoding="utf-8")


def test_commands_and_code_work_from_top_to_bottom(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for language, text in re.findall(r"^```(console|python)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        if language == "console":
            for line in text.splitlines():
                program, *arguments = shlex.split(line.removeprefix("$ "))
                assert (program, main(arguments)) == ("blocks", 0), line
                assert capsys.readouterr().out.strip(), line
        else:
            exec(compile(text, "generate.md", "exec"), {})
    assert {path.name for path in tmp_path.iterdir()} == {"model"}


def test_every_option_is_described_and_exists():
    parser = ArgumentParser()
    COMMAND.configure(parser)
    known = set(parser._option_string_actions) - {"-h", "--help"}
    named = set(re.findall(r"--[a-z][a-z-]*", PAGE)) - {"--set"}
    assert named <= known
    assert known - named <= {"--device", "--dtype"}
    fields = {field.name for field in dataclasses.fields(Options)}
    assert {name[2:].replace("-", "_") for name in known} - fields <= {
        "prompt", "file", "lines", "ignore_eos", "echo", "device", "dtype", "json",
    }  # fmt: skip


def test_codes_exist():
    assert set(re.findall(r"B\d{4}", PAGE)) <= CODES.keys()
