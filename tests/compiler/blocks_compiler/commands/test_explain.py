"""`blocks explain` on the command line."""

from __future__ import annotations

import json

import pytest

from blocks.cli import main


def test_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "gpt2"]) == 0
    page = capsys.readouterr().out
    assert page.startswith("gpt2\n  24 blocks, 124,439,808 parameters.")
    assert all(len(line) <= 100 for line in page.splitlines())
    flat = " ".join(page.split())
    for text in (
        "In order: 12 x [attention, ffn].",
        "head_dim 64 (d_model / n_heads",
        "Written: n_heads 12; qkv_bias yes; out_bias yes.",
        "The table of head is that of the embedding.",
        "attention (12) keeps 36.0 KiB for each token",
    ):
        assert text in flat


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "hybrid-tiny", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["recipe"] == "hybrid-tiny"
    assert [section["topic"] for section in found["sections"]] == [
        "model", "stage", "layout", "block", "block", "block", "stage", "stage", "state",
    ]  # fmt: skip
    assert all(section["title"] and section["texts"] for section in found["sections"])


def test_a_wrong_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "gtp2"]) == 1
    assert "did you mean 'gpt2'?" in capsys.readouterr().err
