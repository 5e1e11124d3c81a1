"""Folders and repositories of the hub: what is fetched holds neither pickles nor code."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from blocks import BuildError
from blocks_compiler.hub import fetched


def hub(monkeypatch: pytest.MonkeyPatch, snapshot: Any) -> None:
    """A hub library that does what it is told."""
    module = ModuleType("huggingface_hub")
    module.snapshot_download = snapshot  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)


def test_a_folder_is_itself(tmp_path: Path) -> None:
    assert fetched(str(tmp_path)) == tmp_path


def test_a_repository_is_fetched_without_pickles_and_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def snapshot(name: str, **options: Any) -> str:
        asked.update(options, name=name)
        return str(tmp_path)

    hub(monkeypatch, snapshot)
    assert fetched("owner/name", revision="v1") == tmp_path
    assert (asked["name"], asked["revision"]) == ("owner/name", "v1")
    assert not any(pattern.endswith((".py", ".bin", ".pt", "*")) for pattern in asked["allow_patterns"])


def test_what_cannot_be_fetched_is_said_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def snapshot(name: str, **options: Any) -> str:
        raise OSError("no such repository\nand much more")

    hub(monkeypatch, snapshot)
    with pytest.raises(BuildError, match="owner/name cannot be fetched: no such repository\n"):
        fetched("owner/name")


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(BuildError, match="needs huggingface_hub"):
        fetched("owner/name")


@pytest.mark.parametrize("name", ["no-folder", "a/b/c", "../etc", "https://example.org/x", "a/", "-x/y"])
def test_names_that_are_neither(name: str) -> None:
    with pytest.raises(BuildError, match="there is no folder"):
        fetched(name)
