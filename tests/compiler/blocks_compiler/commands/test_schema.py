"""`blocks schema`: to standard output, to a file, into a project."""

import json
from pathlib import Path

import pytest

from blocks.cli import main


def test_standard_output_and_a_file_are_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    printed = capsys.readouterr().out
    assert json.loads(printed)["$schema"] == "http://json-schema.org/draft-07/schema#"
    path = tmp_path / "recipe.schema.json"
    assert main(["schema", "-o", str(path)]) == 0
    assert capsys.readouterr().out == f"schema written to {path}\n"
    assert path.read_text(encoding="utf-8") == printed


def test_install(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["schema", "--install", "--match", "models/*.yaml"]) == 0
    printed = capsys.readouterr().out
    schema = tmp_path / ".blocks" / "recipe.schema.json"
    assert f"# yaml-language-server: $schema={schema.as_uri()}\n" in printed
    settings = json.loads((tmp_path / ".vscode" / "settings.json").read_text())
    assert settings == {"yaml.schemas": {"./.blocks/recipe.schema.json": ["models/*.yaml"]}}
    assert json.loads(schema.read_text(encoding="utf-8"))["type"] == "object"


@pytest.mark.parametrize("arguments", [["--match", "a"], ["--install", "-o", "a.json"]])
def test_options_that_do_not_go_together(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", *arguments]) == 2
    assert "error[B0805]" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["recipe: r\n", "{}", '{"$schema": 7}', "[" * 100_000, ""])
def test_what_is_no_schema_is_not_overwritten(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(text)
    assert main(["schema", "-o", str(path)]) == 1
    assert (
        f"error[B0803]: {path} exists, and is not a schema that was written before" in capsys.readouterr().err
    )
    assert path.read_text() == text


def test_a_schema_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "recipe.schema.json"
    assert main(["schema", "-o", str(path)]) == main(["schema", "-o", str(path)]) == 0
    assert json.loads(path.read_text(encoding="utf-8"))["type"] == "object"
