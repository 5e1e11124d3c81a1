"""`blocks export`: what it takes, what it replaces, what it refuses."""

from pathlib import Path

import pytest
import torch

import blocks
from blocks.cli import main
from blocks.exporter import Exporter

MARK = "model.fake"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> list:
    """An exporter called fake in place of pt2's, and what it is given."""
    given = []

    def write(exporting, folder):
        exporting.step("write it")
        given.append(exporting)
        (folder / MARK).write_text(number(exporting.model))
        return ["a line"]

    monkeypatch.setattr("blocks_export.specs.PT2", Exporter(write, marks=MARK, suffix=".fake"))
    return given


def export(*arguments: object) -> int:
    return main(["export", *map(str, arguments)])


def number(model: torch.nn.Module) -> str:
    return f"{float(sum(p.detach().double().sum() for p in model.parameters())):.9f}"


def test_a_recipe_and_its_seed(fake, tmp_path, capsys):
    assert export("gpt2-tiny", "--to", "pt2", "-o", tmp_path / "out", "--seed", 3, "--set", "d_model=32") == 0
    assert capsys.readouterr().out == f"gpt2-tiny to pt2: {tmp_path / 'out'}\na line\n"
    recipe = blocks.load("gpt2-tiny", set={"d_model": 32})
    assert (tmp_path / "out" / MARK).read_text() == number(blocks.build(recipe, seed=3))
    (given,) = fake
    assert not given.model.training
    assert (given.plan.name, given.tokenizer) == ("gpt2-tiny", None)


def test_a_build_folder(fake, tmp_path):
    build = tmp_path / "build"
    assert main(["build", "gpt2-tiny", "-o", str(build), "--seed", "5"]) == 0
    (build / "tokenizer").mkdir()
    assert export(build, "--to", "pt2", "-o", tmp_path / "out", "--dtype", "bfloat16") == 0
    (given,) = fake
    assert given.tokenizer == build / "tokenizer"
    assert next(given.model.parameters()).dtype == torch.bfloat16
    assert (tmp_path / "out" / MARK).read_text() == number(
        blocks.build("gpt2-tiny", seed=5).to(torch.bfloat16)
    )


@pytest.mark.parametrize("option", [("--seed", "2"), ("--set", "d_model=8")])
def test_what_is_for_recipes_alone(fake, tmp_path, capsys, option):
    assert main(["build", "gpt2-tiny", "-o", str(tmp_path / "build")]) == 0
    assert export(tmp_path / "build", "--to", "pt2", "-o", tmp_path / "out", *option) == 2
    assert f"{option[0]} is for recipes" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["out", "out.fake"])
def test_only_its_own_is_replaced_and_only_when_asked(fake, tmp_path, capsys, name):
    out = tmp_path / name
    assert export("gpt2-tiny", "--to", "pt2", "-o", out) == 0
    file = out if out.is_file() else out / MARK
    before = file.read_text()
    assert export("gpt2-tiny", "--to", "pt2", "-o", out, "--seed", 2) == 1
    assert "error[B0803]" in capsys.readouterr().err
    assert file.read_text() == before
    assert export("gpt2-tiny", "--to", "pt2", "-o", out, "--seed", 2, "--force") == 0
    assert file.read_text() != before
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_something_else_wrote_stays(fake, tmp_path, capsys, monkeypatch):
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter").write_text("one")
    assert export("gpt2-tiny", "--to", "pt2", "-o", other, "--force") == 1
    assert "is not what --to pt2 wrote" in capsys.readouterr().err
    (other / MARK).touch()
    monkeypatch.chdir(other)
    assert export("gpt2-tiny", "--to", "pt2", "-o", ".", "--force") == 1
    assert (other / "chapter").read_text() == "one"
    assert fake == []


def test_an_error_leaves_what_was_there(fake, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    assert export("gpt2-tiny", "--to", "pt2", "-o", out) == 0
    before = (out / MARK).read_text()

    def write(exporting, folder):
        (folder / MARK).write_text("half")
        raise blocks.BuildError.of("B1103", "it cannot be written")

    monkeypatch.setattr("blocks_export.specs.PT2", Exporter(write, marks=MARK, suffix=".fake"))
    for target in (out, tmp_path / "new", tmp_path / "new.fake"):
        assert export("gpt2-tiny", "--to", "pt2", "-o", target, "--force") == 1
        assert "error[B1103]: it cannot be written" in capsys.readouterr().err
    assert (out / MARK).read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("no-such-recipe", "--to", "pt2", "-o", "out"), 1, "error[B0801]"),
        (("gpt2-tiny", "--to", "onyx", "-o", "out"), 1, "error[B0601]: no exporter is called 'onyx'"),
        (("gpt2-tiny", "-o", "out"), 2, "--to"),
        (("gpt2-tiny", "--to", "pt2"), 2, "-o"),
        (("gpt2-tiny", "--to", "pt2", "-o", "a/b.fake"), 1, "error[B0807]: there is no folder"),
        (("gpt2-tiny", "--to", "pt2", "-o", "out", "--dtype", "int8"), 1, "error[B0808]"),
    ],
)
def test_what_is_refused(fake: list, tmp_path: Path, monkeypatch, capsys, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    assert export(*arguments) == code
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
