"""`blocks diff`: exit codes, three ways to print, two files or a revision."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from blocks.cli import main

GPT2 = Path("recipes/gpt2.yaml")


def test_llama_and_mistral(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "llama-3.1-8b", "mistral-7b"]) == 1
    assert (
        capsys.readouterr().out
        == """\
llama-3.1-8b → mistral-7b

sizes
  vocab_size  128256  → 32000

blocks
  ~ 32 × attention  layers.0, 2, …, 62
      mixer                      grouped_query  → sliding_window
      window                     none           → 4096
      position.theta             500000         → 10000
      position.scaling           llama3         → none
      position.factor            8              → none
      position.low_freq_factor   1              → none
      position.high_freq_factor  4              → none
      position.original_max_len  8192           → none

training
  train  1,200,000 steps of 2,048 x 8,192 tokens, 20.1 T in all  → none

                                           old            new        change
parameters                       8,030,261,248  7,241,732,096  −788,529,152   −9.8%
FLOPs a token, forward at 4096      17.2 GFLOP     16.4 GFLOP  −788.5 MFLOP   −4.6%
FLOPs a token, decoding at 4096     17.2 GFLOP     16.4 GFLOP  −789.1 MFLOP   −4.6%
state at 4096, bfloat16              512.0 MiB      511.9 MiB    −127.8 KiB  −0.02%
"""
    )


def test_a_block_put_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = tmp_path / "more.yaml"
    text = GPT2.read_text(encoding="utf-8").replace("recipe: gpt2", "recipe: more")
    new.write_text(text.replace("12 x [attention, ffn]", "6 x [attention, ffn], ffn, 6 x [attention, ffn]"))
    assert main(["diff", "gpt2", str(new), "--context", "1k"]) == 1
    printed = capsys.readouterr().out
    assert "  + 1 × ffn  layers.12   +4.72 M parameters\n      mlp, d_ff 3072" in printed
    assert (
        "  old: 12 × [attention, ffn]\n  new: 6 × [attention, ffn], +ffn, 6 × [attention, ffn]\n" in printed
    )
    assert "decoding at 1k" in printed
    assert main(["diff", str(new), str(new)]) == 0


def test_a_sentence_and_what_it_stands_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "hybrid-tiny", "--expanded"]) == 0
    expanded = tmp_path / "expanded.yaml"
    expanded.write_text(capsys.readouterr().out)
    assert main(["diff", "hybrid-tiny", str(expanded)]) == 0
    assert capsys.readouterr().out == f"hybrid-tiny and {expanded} are the same architecture\n"
    assert main(["diff", "hybrid-tiny", str(expanded), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["same"] is True


def test_markdown_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "gpt2", "mamba-130m", "--markdown"]) == 1
    printed = capsys.readouterr().out
    assert printed.startswith("### `gpt2` → `mamba-130m`\n\n| | old | new | change |\n")
    assert printed.count("<details>") == printed.count("</details>") == 2
    assert main(["diff", "gpt2", "mamba-130m", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["same"], found["old"], found["new"]) == (False, "gpt2", "mamba-130m")


@pytest.mark.parametrize(
    ("arguments", "code", "number"),
    [
        (["gpt2"], "B0805", 2),
        (["gpt2", "gpt2", "--json", "--markdown"], "B0805", 2),
        (["gpt2", "gpt2", "--context", "0"], "B0805", 2),
        (["gpt2", "gtp2"], "B0801", 1),
        (["gpt2", "git:recipes/gpt2.yaml"], "B0813", 1),
        (["gpt2", "git:-x:recipes/gpt2.yaml"], "B0813", 1),
    ],
)
def test_what_cannot_be(
    arguments: list[str], code: str, number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["diff", *arguments]) == number
    captured = capsys.readouterr()
    assert code in captured.err + captured.out


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_file_as_it_stands_in_a_revision(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = GPT2.read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    path = tmp_path / "r.yaml"
    path.write_text(text)

    def git(*arguments: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *who, *arguments], check=True, capture_output=True)

    git("init", "-q")
    git("add", "r.yaml")
    git("commit", "-qm", "one")
    assert main(["diff", "git:HEAD:r.yaml", "r.yaml"]) == 0
    path.write_text(text.replace("12 x", "13 x"))
    capsys.readouterr()
    assert main(["diff", "git:HEAD:r.yaml", "r.yaml"]) == 1
    assert capsys.readouterr().out.startswith("git:HEAD:r.yaml → r.yaml\n")
    assert main(["diff", "git:nowhere:r.yaml", "r.yaml"]) == 1
    assert "error[B0813]" in capsys.readouterr().err
    path.write_text(text.replace("n_heads", "n_head"))
    git("commit", "-qam", "two")
    assert main(["diff", "gpt2", "git:HEAD:r.yaml"]) == 1
    assert "--> git:HEAD:r.yaml:" in capsys.readouterr().err
