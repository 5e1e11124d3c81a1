"""`blocks draw`."""

from __future__ import annotations

from pathlib import Path

import pytest

from blocks.cli import main


@pytest.mark.parametrize(
    "options", [[], ["--inside"], ["--no-fold"], ["--theme", "dark"], ["--inside", "--no-fold"]]
)
def test_it_draws(capsys: pytest.CaptureFixture[str], tmp_path: Path, options: list[str]) -> None:
    file = tmp_path / "g.svg"
    assert main(["draw", "gpt2", "-o", str(file), *options]) == 0
    assert capsys.readouterr().out == f"drawn in {file}\n"
    assert b"</svg>" in file.read_bytes()
    assert list(tmp_path.iterdir()) == [file]


def test_the_default_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["draw", "gpt2"]) == 0
    assert (tmp_path / "gpt2.svg").exists()


def test_dot_is_text(tmp_path: Path) -> None:
    file = tmp_path / "g.dot"
    assert main(["draw", "gpt2", "-o", str(file)]) == 0
    assert file.read_text(encoding="utf-8").startswith("digraph")


def test_an_unknown_suffix_is_exit_code_2(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["draw", "gpt2", "-o", str(tmp_path / "g.gif")]) == 2
    assert ".svg, .png, .pdf, .dot" in capsys.readouterr().err


def test_a_missing_folder_is_exit_code_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["draw", "gpt2", "-o", str(tmp_path / "no" / "g.dot")]) == 1
    assert "B0807" in capsys.readouterr().err
