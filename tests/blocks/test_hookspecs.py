"""Hooks: one for each kind that the registry knows, each with one line that says what it takes."""

import inspect

import pytest

from blocks import hookspecs
from blocks.registry import KINDS


def test_every_kind_has_its_hook() -> None:
    hooks = {name for name, _ in inspect.getmembers(hookspecs, inspect.isfunction) if name != "hookspec"}
    assert hooks == {f"register_{plural}" for plural in KINDS.values()}


@pytest.mark.parametrize("plural", KINDS.values())
def test_a_hook_takes_register_and_says_what_for(plural: str) -> None:
    hook = getattr(hookspecs, f"register_{plural}")
    assert list(inspect.signature(hook).parameters) == ["register"]
    assert (inspect.getdoc(hook) or "").lower().startswith(f"{plural}: ")
