"""A stranger's component that fails: the plugin is named, and what does not use it goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from blocks import Call, Complaint, Cost, Mixer, PluginError, Registry, Sizes, hookimpl, load
from blocks.registry import Entry

RECIPE = """
recipe: r
d_model: 64
vocab_size: 100
blocks: {left: {mixer: left}}
model:
  - embed: tokens
  - stack: {layers: [left]}
  - head: lm
"""


class Given:
    """A plugin that registers one mixer."""

    def __init__(self, cls: Any) -> None:
        self.cls = cls

    @hookimpl
    def register_mixers(self, register: Any) -> None:
        register("left", self.cls)


def registry_with(**attributes: Any) -> Registry:
    cls = type("Left", (Mixer,), {"__module__": __name__, "module": "torch.nn:Linear", **attributes})
    return Registry.installed(plugins=False).with_plugin(Given(cls))


def fails(self: Any, *args: Any) -> Any:
    raise KeyError("oh no")


def entry(registry: Registry) -> Entry:
    return registry.find("mixer", "left")


@pytest.mark.parametrize("hook", ["check", "bind", "cost", "out_width"])
def test_a_hook_that_raises_names_its_plugin(hook: str) -> None:
    with pytest.raises(PluginError) as caught:
        load(RECIPE).plan(registry=registry_with(**{hook: fails}))
    (found,) = caught.value.diagnostics
    assert found.code == "B0615"
    assert found.message == f"`{hook}` of mixer 'left' of plugin 'Given' raises KeyError: 'oh no'"
    assert found.help == "upgrade or remove (given); BLOCKS_TRACEBACK=1 shows where"


@pytest.mark.parametrize(
    ("hook", "result"),
    [
        ("out_width", "a"),
        ("out_width", True),
        ("out_width", 0),
        ("cost", None),
        ("cost", Cost(params="a")),  # type: ignore[arg-type]
        ("capabilities", 7),
        ("inside", 7),
        ("call", None),
        ("check", [7]),
        ("bind", None),
        ("lends", 3),
        ("share_group", 3),
    ],
)
def test_a_hook_that_returns_something_else_names_its_plugin(hook: str, result: Any) -> None:
    mixer = entry(registry_with(**{hook: lambda self, *args: result})).load()()
    arguments = {"check": [Sizes(64)], "bind": [Sizes(64)], "call": [64], "out_width": [64]}.get(hook, [])
    with pytest.raises(PluginError, match=rf"`{hook}` of mixer 'left' of plugin 'Given' returns"):
        getattr(mixer, hook)(*arguments)


def test_a_hook_that_works_is_left_as_it_is() -> None:
    def check(self: Any, sizes: Sizes) -> Iterator[Complaint]:
        """What is wrong."""
        yield Complaint("bind", "no")

    here = entry(registry_with(check=check, call=lambda self, width: Call("torch.nn:Linear", (width, width))))
    mixer = here.load()()
    assert here.load().check is here.load().check
    assert mixer.check.__doc__ == "What is wrong."
    assert [found.message for found in mixer.check(Sizes(64))] == ["no"]
    assert mixer.call(3) == Call("torch.nn:Linear", (3, 3))


def test_a_complaint_may_be_none_at_all() -> None:
    assert list(entry(registry_with(check=lambda self, sizes: None)).load()().check(Sizes(64))) == []


def test_the_traceback_is_there_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLOCKS_TRACEBACK", "1")
    with pytest.raises(KeyError, match="oh no"):
        entry(registry_with(cost=fails)).load()().cost()


def test_what_came_with_blocks_is_not_wrapped() -> None:
    cls = Registry.installed(plugins=False).find("mixer", "mlp").load()
    assert not hasattr(cls.cost, "__wrapped__")


@pytest.mark.parametrize(
    "wrong",
    [
        {"phrases": 7},
        {"phrases": "memory"},
        {"phrases": (7,)},
        {"adjectives": ("big",)},
        {"adjectives": {"big": 7}},
        {"symbol": 7},
        {"ops": 7},
        {"module": None},
    ],
)
def test_an_attribute_of_another_type_is_passed_over_by_sentences(wrong: dict[str, Any]) -> None:
    registry = registry_with(**wrong)
    with pytest.raises(PluginError, match="of mixer 'left' of plugin 'Given' is") as caught:
        entry(registry).load()
    assert caught.value.diagnostics[0].code == "B0609"
    text = "recipe: r\nd_model: 64\nvocab_size: 100\nmodel: attention and FFN, 2 layers\n"
    assert len(load(text).plan(registry=registry).layers) == 4
    assert [error.diagnostics[0].code for error in registry.passed_over.values()] == ["B0609"]
