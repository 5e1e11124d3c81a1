"""`blocks check`: all problems of all files at once, for people and for machines."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from blocks.cli import main

WRONG = """\
recipe: wrong
d_model: 512
vocab_size: 32k
blocks:
  attention: {mixer: multi_head, n_heads: 12}
  ffn: {mixer: mlp, activatoin: gelu}
model:
  - embed: tokens
  - stack: {depth: 3, interleave: [attention, ffn]}
  - head: lm
"""


@pytest.fixture
def wrong(tmp_path: Path) -> str:
    path = tmp_path / "wrong.yaml"
    path.write_text(WRONG)
    return str(path)


def test_good_recipes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "gpt2", "recipes/nemotron-h-56b.yaml"]) == 0
    assert capsys.readouterr().out == "gpt2: ok, 24 blocks\nrecipes/nemotron-h-56b.yaml: ok, 118 blocks\n"


def test_every_problem_at_once(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", wrong, "gpt2", "recipes/none.yaml"]) == 1
    captured = capsys.readouterr()
    assert captured.out == "gpt2: ok, 24 blocks\n"
    for code in ("B0307", "B0201", "B0401", "B0801"):
        assert f"error[{code}]" in captured.err
    assert captured.err.endswith("4 problems\n")


def test_json_is_a_contract(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", wrong, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [set(entry) for entry in found] == [{"code", "message", "file", "line", "column", "help"}] * 3
    assert found[0] == {
        "code": "B0307",
        "message": "12 heads do not divide d_model = 512",
        "file": wrong,
        "line": 5,
        "column": 43,
        "help": "use 8 or 16 heads, or set head_dim",
    }
    assert main(["check", "gpt2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize(
    "arguments", [["--help"], ["check", "nemotron-h-56b"], ["show", "gpt2"], ["cost", "gpt2"], ["plugins"]]
)
def test_torch_is_not_imported(arguments: list[str]) -> None:
    program = f"import sys; from blocks.cli import main; main({arguments!r}); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("False\n")
