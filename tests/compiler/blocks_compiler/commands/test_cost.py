"""`blocks cost`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from blocks import UsageError
from blocks.cli import main
from blocks.published import published
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


# What fits on GPUs


def test_gpus_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["cost", "nemotron-h-56b", "--gpus", "64", "--hbm", "80GB", "--context", "8k", "--json"]
    assert main(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["parameters", "flops_per_token", "state_bytes", "blocks", "memory"]
    memory = found["memory"]
    assert (memory["gpus"], memory["hbm_bytes"], memory["node"]) == (64, 80 * 10**9, 8)
    assert (memory["context"], memory["batch"], memory["optimizer"]) == (8_000, 1, "adamw")
    rows = {(row["way"], row["tp"], row["recomputed"]): row for row in memory["training"]}
    assert {way for way, _, _ in rows} == {"ddp", "zero1", "zero2", "hybrid", "fsdp"}
    assert ("fsdp", 8, True) in rows
    n = found["parameters"]
    ddp, fsdp = rows["ddp", 1, False], rows["fsdp", 1, True]
    assert ddp["weights_bytes"] + ddp["gradients_bytes"] + ddp["optimizer_bytes"] == 16 * n
    assert (ddp["fits"], ddp["least_gpus"]) == (False, None)
    assert fsdp["optimizer_bytes"] == -(-12 * n // 64)
    assert fsdp["fits"]
    assert 8 < fsdp["least_gpus"] <= 64
    for row in memory["training"]:
        parts = ("weights", "gradients", "optimizer", "gathered", "activations")
        assert row["total_bytes"] == sum(row[f"{part}_bytes"] for part in parts)
    one, *_, eight = memory["decoding"]
    assert (one["tp"], one["fits"], one["sequences"], eight["tp"]) == (1, False, 0, 8)
    assert one["state_bytes"] == found["state_bytes"]
    assert eight["sequences"] > 100


def test_gpus_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", "llama-3.1-8b", "gpt2", "--gpus", "16", "--hbm", "80GiB", "--batch", "2"]) == 0
    page = capsys.readouterr().out
    for expected in (
        "16 GPUs of 80.0 GiB", "2 sequences of 4,096 tokens", "fsdp + tp=8, recomputed", "sequences that fit",
        "least GPUs", "arXiv:1910.02054", "arXiv:2205.05198",
    ):  # fmt: skip
        assert expected in page
    assert page.count("training") == 2
    assert main(["cost", "gpt2", "--gpus", "1", "--train", "--parallel", "ddp"]) == 0
    page = capsys.readouterr().out
    assert "1 GPU of 74.5 GiB" in page
    assert "decoding" not in page
    assert main(["cost", "gpt2", "--gpus", "1", "--set", "train.checkpoint=ffn"]) == 0
    assert "recomputed: each block of ffn keeps its input alone" in " ".join(capsys.readouterr().out.split())
    assert main(["cost", "vit-base-16", "--gpus", "2"]) == 0
    page = capsys.readouterr().out
    assert "1 sequence of 197 tokens" in page  # whatever the context
    assert "serving" in page
    assert main(["cost", "lstm-ptb-small", "--gpus", "2", "--parallel", "tp=2", "--parallel", "zero1"]) == 0
    assert "tp cuts no lstm." in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("name", sorted(published()))
def test_gpus_of_every_published_architecture(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever it reads, and whether or not it can be trained to say the next token."""
    assert main(["cost", name, "--gpus", "16", "--context", "256", "--json"]) == 0
    memory = json.loads(capsys.readouterr().out)["memory"]
    for row in memory["training"]:
        assert row["weights_bytes"] > 0
        assert row["activations_bytes"] > 0
    pairs = zip(memory["training"][::2], memory["training"][1::2], strict=True)
    assert all(kept["activations_bytes"] >= again["activations_bytes"] for kept, again in pairs)


def test_gpus_need_no_torch() -> None:
    code = (
        "import sys; from blocks.cli import main\n"
        "assert main(['cost', 'nemotron-h-56b', '--gpus', '64', '--json']) == 0\n"
        "assert not {'torch', 'safetensors', 'numpy'} & set(sys.modules), 'imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_the_recipes_optimizer_counts(capsys: pytest.CaptureFixture[str]) -> None:
    changes = ["--set", "train.optimizer=sgd", "--set", "train.ema=0.999"]
    assert main(["cost", "gpt2", *changes, "--gpus", "1", "--parallel", "ddp", "--train", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    row = found["memory"]["training"][0]
    assert row["optimizer_bytes"] == (4 + 4 + 4) * found["parameters"]  # a copy, a velocity, an average
    assert found["memory"]["decoding"] == []


@pytest.mark.parametrize(
    ("arguments", "message", "help"),
    [
        (["--gpus", "0"], "--gpus '0' is not a positive whole number", "such as 512 or 32k"),
        (["--gpus", "8", "--hbm", "80"], "--hbm '80' is no size of a memory", "such as 80GB, or 80GiB"),
        (["--gpus", "8", "--hbm", "0GB"], "--hbm '0GB' is no size of a memory", "such as 80GB, or 80GiB"),
        (["--gpus", "8", "--parallel", "fdsp"], "--parallel 'fdsp' is no way to spread a model", "did you mean fsdp?"),
        (
            ["--gpus", "8", "--parallel", "tp=0"], "--parallel 'tp=0' is no way to spread a model",
            "ddp, zero1, zero2, hybrid, fsdp, tp=8, or two such as hybrid+tp=8",
        ),
        (["--hbm", "80GB"], "--hbm says more of GPUs, and --gpus is missing", "--gpus 8"),
        (["--train"], "--train says more of GPUs, and --gpus is missing", "--gpus 8"),
        (
            ["--gpus", "8", "--context", "1k..4k"],
            "--gpus is for one context, and --context is a range", "--context 8k",
        ),
    ],
)  # fmt: skip
def test_gpus_that_cannot_be(
    arguments: list[str], message: str, help: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cost", "gpt2", *arguments]) == 2
    said = capsys.readouterr().err
    assert f"error[B0805]: {message}" in said
    assert help in said
