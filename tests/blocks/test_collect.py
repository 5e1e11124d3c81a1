"""A plugin's hooks: every way of getting them wrong has its answer."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from blocks import hookimpl
from blocks.collect import PluginFaultError, announced, check_api, collect, stated_api
from blocks.registry import KINDS


def plugin(**members: Any) -> ModuleType:
    """A module with these members."""
    module = ModuleType("a_plugin")
    vars(module).update(members)
    return module


@hookimpl
def register_mixers(register: Any) -> None:
    register("one", "a.specs:One", help="first")
    register("two", "a.specs:Two")


@hookimpl
def takes_more(register: Any, config: Any) -> None: ...


@hookimpl
def badly_named(register: Any) -> None:
    register("a name", "a.specs:One")


@hookimpl
def takes_nothing() -> None: ...


def test_what_is_registered() -> None:
    assert collect(plugin(register_mixers=register_mixers, register_norms=takes_nothing), KINDS) == [
        ("mixer", "one", "a.specs:One", "first"),
        ("mixer", "two", "a.specs:Two", ""),
    ]


@pytest.mark.parametrize(
    ("members", "code", "says"),
    [
        ({"register_mixer": register_mixers}, "B0608", "hook 'register_mixer'; did you mean 'register_mixers'?"),
        ({"registerNorms": register_mixers}, "B0608", "unknown hook 'registerNorms'; did you mean 'register_norms'?"),
        ({"start": register_mixers}, "B0608", "unknown hook 'start'; hooks: register_mixers, register_embeddings"),
        ({"register_norms": lambda register: None}, "B0608", "register_norms is not marked with @hookimpl"),
        ({"register_mixers": takes_more}, "B0608", "register_mixers takes config; a hook takes `register` alone"),
        ({"register_mixers": badly_named}, "B0608", "'a name' is not a name"),
        ({"blocks_api": 7}, "B0607", "version 7 of the plugin API, and this is version 1: upgrade blocks-dsl"),
        ({"blocks_api": 0}, "B0607", "this is version 1: install a newer version of the plugin"),
        ({"blocks_api": "1"}, "B0607", "blocks_api is '1', not a whole number such as 1"),
    ],
)  # fmt: skip
def test_what_is_refused(members: dict[str, Any], code: str, says: str) -> None:
    with pytest.raises(PluginFaultError) as caught:
        collect(plugin(**members), KINDS)
    assert caught.value.code == code
    assert says in str(caught.value)


def test_the_api_of_today_and_none_at_all_fit() -> None:
    check_api(1)
    check_api(None)


TEXT = """
from blocks import hookimpl
blocks_api: int = 3  # not of today
raise RuntimeError("imported")
@hookimpl
def register_mixers(register):
    register("one", "a:One")
    register(NAME, "a:Two")
@hookimpl
def register_norms(register):
    if True:
        register("three", "a:Three", help="x")
"""


def test_a_text_is_read_without_being_run(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fake_text_only.py").write_text(TEXT)
    (tmp_path / "fake_broken_text.py").write_text("def (:\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert stated_api("fake_text_only") == 3
    assert list(announced("fake_text_only")) == [("register_mixers", "one"), ("register_norms", "three")]
    for module in ("fake_broken_text", "no_such_module", "no.such.module"):
        assert stated_api(module) is None
        assert list(announced(module)) == []
