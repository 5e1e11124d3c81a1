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
    assert all(row["about"] and set(row["pattern"]) <= set("M*-") for row in rows.values())


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes"]) == 0
    page = capsys.readouterr().out
    assert "nemotron-h-8b" in page
    assert "arXiv:2504.03624" in page
