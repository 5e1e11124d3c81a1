"""`blocks eject` on the command line."""

from pathlib import Path

import pytest

from blocks.cli import main


def test_to_a_file_and_not_over_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "model.py"
    assert main(["eject", "gpt2", "-o", str(target)]) == 0
    assert "class Gpt2" in capsys.readouterr().out
    first = target.read_text()
    assert main(["eject", "nemotron-h-8b", "-o", str(target)]) == 1
    assert "B0803" in capsys.readouterr().err
    assert target.read_text() == first
    assert main(["eject", "nemotron-h-8b", "-o", str(target), "--force"]) == 0
    assert "class NemotronH8B" in target.read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["model.py"]


def test_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eject", "llama-3.1-8b"]) == 0
    out = capsys.readouterr().out
    compile(out, "model.py", "exec")
    assert out.startswith('"""llama-3.1-8b: 64 blocks, d_model 4096, 8,030,261,248 parameters.')
    assert "Mamba" not in out
