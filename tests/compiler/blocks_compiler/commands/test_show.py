"""`blocks show`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from blocks.cli import main

PATTERN = "M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M-"


def test_json_is_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "nemotron-h-8b", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert list(shown) == ["recipe", "parameters", "pattern", "layers", "train"]
    assert (shown["recipe"], shown["parameters"], shown["pattern"]) == (
        "nemotron-h-8b",
        8_100_852_736,
        PATTERN,
    )
    assert len(shown["layers"]) == 52
    assert shown["layers"][7] == {
        "path": "layers.7",
        "block": "attention",
        "mixer": "multi_head",
        "parameters": 4096 * (2 * 4096 + 2 * 1024) + 4096,
    }


def test_the_page_has_every_block(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "nemotron-h-8b"]) == 0
    page = capsys.readouterr().out
    for expected in (
        "8,100,852,736",
        PATTERN,
        "7.7% (asked 8%)",
        "n_kv_heads 8",
        "floor(1·24/5)",
        "pre-rmsnorm",
    ):
        assert expected in page
    assert sum(line.split()[1:2] in (["M"], ["-"], ["*"]) for line in page.splitlines()) == 52
    assert "\x1b" not in page


def test_the_sentence_of_a_recipe_where_it_has_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "nemotron-h-8b"]) == 0
    page = " ".join(capsys.readouterr().out.split())
    assert "in a sentence 8% multi-head attention (32 heads, 8 kv heads), interleaved Mamba-2" in page
    assert main(["show", "nemotron-h-47b"]) == 0
    assert "in a sentence" not in capsys.readouterr().out


def test_tied_weights_count_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "gpt2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parameters"] == 124_439_808
    assert main(["show", "gpt2"]) == 0
    assert "tied to the embedding" in capsys.readouterr().out


def test_long_stacks_fold(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "llama-3.1-70b"]) == 0
    assert "80 × 2 blocks, 0 to 159" in (page := capsys.readouterr().out)
    assert len(page.splitlines()) < 40
    assert main(["show", "llama-3.1-70b", "--all"]) == 0
    assert len(capsys.readouterr().out.splitlines()) > 160


def test_lines_keep_to_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    from blocks_compiler.commands.page import columns

    assert main(["show", "nemotron-h-8b"]) == 0
    page = capsys.readouterr().out
    assert "\x1b[" in page
    import re

    assert max(columns(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in page.splitlines()) <= 80


def test_expanded_loads_again(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["show", "hybrid-tiny", "--expanded"]) == 0
    file = tmp_path / "expanded.yaml"
    file.write_text(capsys.readouterr().out, encoding="utf-8")
    assert main(["show", str(file), "--json"]) == 0
    again = capsys.readouterr().out
    assert main(["show", "hybrid-tiny", "--json"]) == 0
    assert capsys.readouterr().out == again


def test_text_of_a_stranger_is_harmless(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text(
        'recipe: r\nabout: "\\e[31mred\\u202e"\nd_model: 8\nvocab_size: 9\nblocks: {f: {mixer: mlp}}\n'
        "model: [{embed: tokens}, {stack: {layers: [f]}}, {head: lm}]\n"
    )
    assert main(["show", str(file)]) == 0
    page = capsys.readouterr().out
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "red" in page


def test_an_unknown_recipe_is_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "nemotron-h-8c"]) == 1
    assert "did you mean 'nemotron-h-8b'?" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["show", "cost"])
def test_no_torch(command: str) -> None:
    code = f"import sys, blocks.cli as c; c.main(['{command}', 'nemotron-h-56b']); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_what_check_refuses_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(
        "recipe: r\nd_model: 8\nvocab_size: 16\nblocks:\n  a: {mixer: multi_head, n_heads: 2, mask: bidirectional}\n"
        "model: [{embed: {tokens: {width: 6}}}, {stack: {layers: a}}, {head: {lm: {tied: true, dim: 4}}}]\n"
    )
    assert main(["show", str(path)]) == 1
    shown = capsys.readouterr().err
    assert "B0701" in shown
    assert "B0703" in shown


def test_the_pattern_has_a_space_between_streams(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "transformer-tiny"]) == 0
    assert "pattern  *-*- WC-WC-\n" in capsys.readouterr().out


def test_one_block_is_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(
        "recipe: r\nd_model: 8\nvocab_size: 16\nblocks: {f: {mixer: mlp}}\n"
        "model: [{embed: tokens}, {stack: {layers: f}}, {head: lm}]\n"
    )
    assert main(["show", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "1 block " in shown
    assert "1 blocks" not in shown
    assert main(["check", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: ok, 1 block\n"


def test_what_a_new_recipe_spells_out_makes_no_long_lines(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = str(tmp_path / "new.yaml")
    sentence = "8% attention, interleaved Mamba-2 and FFN, RoPE"
    assert main(["new", sentence, "--d-model", "512", "--depth", "13", "-o", path]) == 0
    capsys.readouterr()
    assert main(["show", path]) == 0
    shown = capsys.readouterr().out
    assert "gated_norm" not in shown
    assert "qkv_bias" not in shown
    assert max(map(len, shown.splitlines())) < 160
