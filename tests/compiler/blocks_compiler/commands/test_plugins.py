"""`blocks plugins`."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint
from types import SimpleNamespace

import pytest

from blocks import Registry, hookimpl
from blocks.cli import main
from blocks_compiler.commands.plugins import as_json

KEYS = ["name", "kind", "distribution", "version", "status", "error"]


def test_json_is_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert all(list(row) == KEYS for row in rows)
    found = {(row["kind"], row["name"]): row for row in rows}
    assert found["mixer", "mamba2"]["distribution"] == "blocks-dsl"
    assert found["mixer", "mamba2"]["status"] == "ok"
    assert found["mixer", "mamba2"]["error"] is None


def test_a_broken_plugin_is_a_row() -> None:
    rows = as_json(Registry([EntryPoint("broken", "no_such_module_at_all", "blocks")]))
    assert [(row["name"], row["kind"], row["status"]) for row in rows] == [("broken", "plugin", "failed")]
    assert "no_such_module_at_all" in str(rows[0]["error"])


def test_a_name_claimed_twice_says_so() -> None:
    @hookimpl
    def register_norms(register: object) -> None:
        register("rmsnorm", "nowhere:Norm")  # type: ignore[operator]

    registry = Registry.installed().with_plugin(
        SimpleNamespace(register_norms=register_norms, __name__="twin")
    )
    rows = [row for row in as_json(registry) if row["name"] == "rmsnorm"]
    assert [row["status"] for row in rows] == ["ambiguous", "ambiguous"]
    assert all(":rmsnorm" in str(row["error"]) for row in rows)


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "--kind", "norm"]) == 0
    page = capsys.readouterr().out
    assert "rmsnorm" in page
    assert "mamba2" not in page
