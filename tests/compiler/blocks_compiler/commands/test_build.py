"""`blocks build` on the command line."""

from pathlib import Path

import pytest

from blocks.cli import main


def test_it_says_what_it_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "nemotron-h-tiny", "-o", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert "nemotron-h-tiny: 13 blocks, 565,264 parameters" in out
    assert "M-M-M*-M-M-M-" in out
    assert str(tmp_path / "out" / "graph.svg") in out


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--dtype", "float31"], "B0808"),
        (["--device", "abacus"], "B0808"),
        (["--device", "meta"], "B0808"),
        (["--kernels", "magic"], "B0601"),
        (["--max-params", "100k"], "B0311"),
    ],
)
def test_what_cannot_be_built(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], code: str
) -> None:
    assert main(["build", "nemotron-h-tiny", "-o", str(tmp_path / "out"), *options]) == 1
    assert f"error[{code}]" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("seed", ["-1", "many", "1.5"])
def test_a_wrong_seed_is_usage(seed: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "nemotron-h-tiny", f"--seed={seed}"]) == 2
    assert "--seed" in capsys.readouterr().err


def test_one_block_is_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        "recipe: r\nd_model: 8\nvocab_size: 16\nblocks: {f: {mixer: mlp}}\n"
        "model: [{embed: tokens}, {stack: {layers: f}}, {head: lm}]\n"
    )
    assert main(["build", str(recipe), "-o", str(tmp_path / "out")]) == 0
    assert "r: 1 block, " in capsys.readouterr().out
