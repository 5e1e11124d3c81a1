"""`blocks recipes`."""

from __future__ import annotations

import json

import pytest

from blocks.cli import main


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["gpt2"]["parameters"] == 124_439_808
    assert rows["nemotron-h-56b"]["layers"] == 118
    assert rows["zoo/gpt-j-like"]["layers"] == 8
    assert all(row["about"] and row["pattern"] and row["parameters"] for row in rows.values())


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes"]) == 0
    page = capsys.readouterr().out
    assert "nemotron-h-8b" in page
    assert "arXiv:2504.03624" in page


def test_the_zoo_has_a_heading(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (heading,) = (at for at, line in enumerate(lines) if line.startswith("the zoo"))
    assert not any(line.startswith("zoo/") for line in lines[:heading])
    assert lines[heading + 1].startswith("zoo/albert")
    assert all("Small sizes" not in line for line in lines)  # one sentence a recipe


def test_what_the_table_says_is_one_sentence_with_its_citation(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (albert,) = (line for line in lines if line.startswith("zoo/albert"))
    assert albert.endswith("(Lan et al. 2020, arXiv:1909.11942, section 3.1)")
