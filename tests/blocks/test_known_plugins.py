"""The table of known plugins: what it names is where it says."""

from __future__ import annotations

import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from blocks.collect import announced
from blocks.known_plugins import KNOWN, Known
from blocks.registry import KIND_OF_HOOK

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name)
def test_a_folder_of_the_repository_registers_the_name(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ROOT / known.install.split()[0]
    settings = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    assert settings["project"]["name"] == known.distribution
    monkeypatch.syspath_prepend(folder / "src")
    modules = [
        EntryPoint(*pair, "blocks").module for pair in settings["project"]["entry-points"]["blocks"].items()
    ]
    names = {(KIND_OF_HOOK[hook], name) for module in modules for hook, name in announced(module)}
    assert (known.kind, known.name) in names
