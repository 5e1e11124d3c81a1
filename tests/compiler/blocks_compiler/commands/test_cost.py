"""`blocks cost`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blocks import UsageError
from blocks.cli import main
from blocks_compiler.commands.cost import series


def test_json_is_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", "llama-3.1-8b", "--context", "8192", "--batch", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["parameters", "flops_per_token", "state_bytes", "blocks"]
    assert found["parameters"] == 8_030_261_248
    assert found["state_bytes"] == 2 * 32 * 2 * 8 * 128 * 8192 * 2
    assert found["flops_per_token"]["train"] == 3 * found["flops_per_token"]["forward"]
    assert sum(row["parameters"] for row in found["blocks"]) == found["parameters"]
    assert sum(row["state_bytes"] for row in found["blocks"]) == found["state_bytes"]


def test_several_are_a_list_that_says_which(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", "gpt2", "mamba-130m", "--context", "1k..10k", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(row["recipe"], row["context"]) for row in found] == [
        (name, context) for name in ("gpt2", "mamba-130m") for context in (1_000, 2_000, 5_000, 10_000)
    ]


def test_one_recipe_by_kind_and_by_block(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", "nemotron-h-8b"]) == 0
    page = capsys.readouterr().out
    for expected in ("mamba2", "24 ×", "total", "15.5 G", "MiB", "Kaplan", "bfloat16"):
        assert expected in page
    assert main(["cost", "nemotron-h-8b", "--blocks"]) == 0
    assert "layers.51" in capsys.readouterr().out


def test_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", "llama-3.1-8b", "nemotron-h-8b", "--context", "1k..1M"]) == 0
    page = capsys.readouterr().out
    assert "122.1 GiB" in page
    assert "each context" in page


def test_a_plot(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert main(["cost", "gpt2", "mamba-130m", "-o", str(tmp_path / "c.svg")]) == 0
    assert "plotted in" in capsys.readouterr().out
    assert b"<svg" in (tmp_path / "c.svg").read_bytes()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8192", [8192]),
        ("1k..10k", [1000, 2000, 5000, 10000]),
        ("1024..8192", [1024, 2048, 4096, 8192]),
        ("3k..7k", [3000, 5000, 7000]),
        ("5..5", [5]),
    ],
)
def test_series(text: str, expected: list[int]) -> None:
    assert series(text) == expected


@pytest.mark.parametrize("text", ["0", "-1", "x", "..5", "5..", "10k..1k", "1..2..3"])
def test_wrong_series_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        series(text)


@pytest.mark.parametrize("options", [["--context", "0"], ["--batch", "none"], ["--dtype", "int3"]])
def test_misuse_is_exit_code_2(capsys: pytest.CaptureFixture[str], options: list[str]) -> None:
    assert main(["cost", "gpt2", *options]) == 2
    assert "B0805" in capsys.readouterr().err
