"""`blocks new-plugin`: what it writes works at once, and nothing is written where something is in the way."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blocks import PluginError
from blocks.cli import main
from blocks_compiler.commands.new_plugin import EXAMPLES


@pytest.mark.parametrize("kind", EXAMPLES)
def test_it_passes_its_own_tests(kind: str, tmp_path: Path, install_wheel: Callable[[Path], Any]) -> None:
    folder = tmp_path / "plugin"
    assert main(["new-plugin", f"fresh-{kind}", "--kind", kind, "-o", str(folder)]) == 0
    environment = install_wheel(folder)
    recipe = folder / f"fresh-{kind}-tiny.yaml"
    checked = environment.blocks("check", str(recipe))
    assert (checked.returncode, checked.stdout, checked.stderr) == (
        0,
        f"{recipe}: ok, 4 blocks\n",
        "",
    )
    done = environment.run("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=folder)
    assert done.returncode == 0, done.stdout
    assert re.search(r"\d+ passed", done.stdout)
    assert not (folder / "build").exists()


@pytest.mark.parametrize("kind", EXAMPLES)
def test_what_is_written(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "a" / "b"
    assert main(["new-plugin", "Blocks_My_Own2", "--kind", kind, "-o", str(folder)]) == 0
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    package = {f"src/blocks_my_own2/{name}" for name in ("__init__.py", "module.py", "specs.py", "py.typed")}
    around = {".gitignore", "README.md", "pyproject.toml", "my-own2-tiny.yaml", "tests/test_my_own2.py"}
    assert written == package | around
    assert "class MyOwn2" in (folder / "src/blocks_my_own2/module.py").read_text()
    assert not any("$" in (folder / path).read_text() for path in written)
    said = capsys.readouterr().out
    assert f"cd {folder}\n  pip install -e '.[test]'\n  pytest\n  blocks check my-own2-tiny.yaml\n" in said


@pytest.mark.parametrize("kind", EXAMPLES)
def test_what_is_written_passes_ruff(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "plugin"
    assert main(["new-plugin", "a-rather-long-name-for-a-plugin", "--kind", kind, "-o", str(folder)]) == 0
    options = ["--isolated", "--no-cache", "--line-length", "120", "--select", "E,F,W,UP,B,SIM"]
    command = [sys.executable, "-m", "ruff", "check", *options, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "name", ["2fast", "a--b", "-rf", "a b", "../x", "ä", "", "none", "x" * 41, "a.b", "blocks-", "a\u202eb"]
)
def test_a_name_that_cannot_be(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new-plugin", "--", name]) == 2
    assert "error[B0612]" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["mamba2"], "'mamba2' is taken: the mixer mamba2 is blocks-dsl's"),
        (["retention"], "'retention' is taken: the mixer retention is blocks-retention's"),
        (["rmsnorm", "--kind", "norm"], "'rmsnorm' is taken: the norm rmsnorm is blocks-dsl's"),
        (["dsl"], "'dsl' is taken: a distribution blocks-dsl is installed"),
        (["ssm"], "'ssm' is taken: there is a package blocks_ssm"),
    ],
)
def test_a_name_that_is_taken(
    arguments: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new-plugin", *arguments]) == 2
    said = capsys.readouterr().err
    assert "error[B0614]" in said
    assert says in said
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "blocks-mine").mkdir()
    assert main(["new-plugin", "mine"]) == 1
    assert "error[B0613]: there is something at blocks-mine already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["blocks-mine"]


def test_nothing_is_left_behind_by_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def fail(*args: object) -> None:
        raise PluginError.of("B0601", "in the middle")

    monkeypatch.setattr(Path, "write_text", fail)
    assert main(["new-plugin", "mine"]) == 1
    assert list(tmp_path.iterdir()) == []
