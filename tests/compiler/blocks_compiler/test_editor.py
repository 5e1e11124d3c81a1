"""The schema in a project: settings keep everything that they had, or are not touched."""

import json
from pathlib import Path

import pytest

from blocks import BuildError
from blocks_compiler.editor import MATCH, install, with_schema

MINE = "./.blocks/recipe.schema.json"


def test_a_fresh_project(tmp_path: Path) -> None:
    schema, settings = install(tmp_path, "{}\n")
    assert schema.read_text() == "{}\n"
    assert json.loads(settings.read_text()) == {"yaml.schemas": {MINE: list(MATCH)}}
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        "recipe.schema.json", "settings.json",
    ]  # fmt: skip


def test_settings_keep_what_they_had_and_how_they_are_indented(tmp_path: Path) -> None:
    before = {"editor.rulers": [110], "yaml.schemas": {"https://example.org/ci.json": "ci.yaml"}, "ä": 1e-5}
    path = tmp_path / ".vscode" / "settings.json"
    path.parent.mkdir()
    path.write_text(json.dumps(before, indent=4, ensure_ascii=False), encoding="utf-8")
    install(tmp_path, "{}\n", ["a/*.yaml"])
    text = path.read_text(encoding="utf-8")
    after = json.loads(text)
    assert text.startswith('{\n    "editor.rulers"')
    assert after["yaml.schemas"].pop(MINE) == ["a/*.yaml"]
    assert after == before
    assert list(after) == list(before)


def test_installing_twice_changes_nothing() -> None:
    once = with_schema("", MATCH, "settings.json")
    assert with_schema(once, MATCH, "settings.json") is once
    more = json.loads(with_schema(once, ["b.yaml"], "settings.json"))
    assert more["yaml.schemas"][MINE] == [*MATCH, "b.yaml"]
    one = json.dumps({"yaml.schemas": {MINE: "a.yaml"}})
    assert json.loads(with_schema(one, ["b.yaml"], ""))["yaml.schemas"][MINE] == ["a.yaml", "b.yaml"]


@pytest.mark.parametrize(
    "text",
    [
        '{\n  // mine\n  "a": 1\n}',
        '{"a": 1, "a": 2}',
        "[1]",
        '{"yaml.schemas": []}',
        '{"a": 1,}',
        "[" * 100_000,
    ],
)
def test_settings_that_would_lose_something_are_left_alone(text: str, tmp_path: Path) -> None:
    path = tmp_path / ".vscode" / "settings.json"
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(BuildError) as refused:
        install(tmp_path, "{}\n")
    [found] = refused.value.diagnostics
    assert found.code == "B0811"
    assert found.help is not None
    assert '"yaml.schemas": {"./.blocks/recipe.schema.json"' in found.help
    assert path.read_text() == text
    assert not (tmp_path / ".blocks").exists()


def test_links_and_missing_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="B0801"):
        install(tmp_path / "none", "{}\n")
    (tmp_path / ".vscode").mkdir()
    (tmp_path / ".vscode" / "settings.json").symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(BuildError, match="B0809"):
        install(tmp_path, "{}\n")
    assert not (tmp_path / ".blocks").exists()
