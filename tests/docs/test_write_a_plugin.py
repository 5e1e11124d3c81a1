"""The guide to a plugin, followed to the letter: its files, its commands, its wheel."""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from blocks.cli import main

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "write-a-plugin.md"
TEXT = GUIDE.read_text(encoding="utf-8")
FILES = {
    text.partition("\n")[0].removeprefix("# "): text.partition("\n")[2]
    for text in re.findall(r"^```python\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
}
COMMANDS = re.findall(r"^\$ (.*)$", TEXT, flags=re.MULTILINE)


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the plugin, with the files of the page."""
    folder = tmp_path_factory.mktemp("guide")
    name, *arguments = shlex.split(COMMANDS[0])
    assert name == "blocks"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(arguments) == 0
    for path, text in FILES.items():
        (folder / "blocks-min-gru" / path).write_text(text, encoding="utf-8")
    return folder / "blocks-min-gru"


@pytest.fixture(scope="module")
def environment(plugin: Path, install_wheel: Callable[[Path], Any]) -> Any:
    """Where its wheel is installed."""
    return install_wheel(plugin)


def commands() -> Iterator[str]:
    """What the page runs of blocks once the plugin is there."""
    yield from (command for command in COMMANDS[1:] if command.startswith("blocks "))


def test_the_page_says_each_file_whole() -> None:
    assert set(FILES) == {
        "src/blocks_min_gru/__init__.py",
        "src/blocks_min_gru/specs.py",
        "src/blocks_min_gru/module.py",
        "src/blocks_min_gru/kernels.py",
        "src/blocks_min_gru/importer.py",
        "tests/test_min_gru.py",
    }


def test_every_command_works(plugin: Path, environment: Any) -> None:
    for command in commands():
        done = environment.blocks(*shlex.split(command)[1:], cwd=plugin)
        assert done.returncode == 0, command + "\n" + done.stdout + done.stderr
        assert done.stdout, command
    assert "def min_gru_scan(" in (plugin / "model.py").read_text()
    assert "gated scan" in (plugin / "min-gru.svg").read_text()


def test_its_tests_pass(plugin: Path, environment: Any, tmp_path: Path) -> None:
    options = ["-p", "no:cacheprovider", "-c", str(plugin / "pyproject.toml"), f"--rootdir={tmp_path}"]
    done = environment.run("-m", "pytest", "-q", *options, str(plugin / "tests"), cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_what_it_brings_is_listed(environment: Any) -> None:
    rows = json.loads(environment.blocks("plugins", "--json").stdout)
    own = {(row["kind"], row["name"]) for row in rows if row["distribution"] == "blocks-min-gru"}
    assert own == {
        ("mixer", "min_gru"),
        ("kernel", "min_gru_scan/reference"),
        ("kernel", "min_gru_scan/doubling"),
        ("importer", "min_gru_lm"),
    }


def test_a_sentence_says_it(environment: Any, tmp_path: Path) -> None:
    said = re.search(r"`(model: .*)` is a recipe", TEXT)
    assert said is not None
    (tmp_path / "r.yaml").write_text(f"recipe: r\nd_model: 64\ndepth: 4\ntokenizer: byte\n{said[1]}\n")
    shown = json.loads(environment.blocks("show", str(tmp_path / "r.yaml"), "--json").stdout)
    assert [layer["mixer"] for layer in shown["layers"]] == ["min_gru", "gated_mlp"] * 2
