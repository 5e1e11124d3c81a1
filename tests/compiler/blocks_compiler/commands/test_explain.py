"""`blocks explain` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

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


def test_what_check_refuses_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(
        "recipe: r\nd_model: 8\nvocab_size: 16\nblocks:\n  a: {mixer: multi_head, n_heads: 2, mask: bidirectional}\n"
        "model: [{embed: {tokens: {width: 6}}}, {stack: {layers: a}}, {head: {lm: {tied: true, dim: 4}}}]\n"
    )
    assert main(["explain", str(path)]) == 1
    shown = capsys.readouterr().err
    assert "B0701" in shown
    assert "B0703" in shown
