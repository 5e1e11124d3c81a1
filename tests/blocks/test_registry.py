"""Plugins: found by entry point, imported on first use, kept apart when they fail."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest

from blocks import Mixer, PluginError, Registry, hookimpl


class One(Mixer):
    pass


def on_path(folder: Path) -> dict[str, str]:
    """The environment of a process that finds what is in a folder."""
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


class Given:
    """A plugin given as an object."""

    def __init__(self, *names: str, target: Any = One) -> None:
        self.names, self.target = names, target

    @hookimpl
    def register_mixers(self, register: Any) -> None:
        for name in self.names:
            register(name, self.target, help="a test")


@pytest.fixture
def installed(
    stranger: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Registry]:
    """A registry of plugins given as texts, each the distribution of its own name."""

    def make(**sources: str) -> Registry:
        for name, source in sources.items():
            stranger(name, source)
        monkeypatch.syspath_prepend(tmp_path)
        for module in [m for m in sys.modules if m.startswith("fake_plugin_")]:
            monkeypatch.delitem(sys.modules, module)
        found = distributions(path=[str(tmp_path)])
        points = [point for dist in found for point in dist.entry_points if point.group == "blocks"]
        return Registry(sorted(points, key=lambda point: point.name))

    return make


GOOD = """
from blocks import Mixer, hookimpl
class M(Mixer):
    pass
@hookimpl
def register_mixers(register):
    register("good", M)
"""


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (
            "import a_module_that_is_not_there",
            "ModuleNotFoundError: No module named 'a_module_that_is_not_there'",
        ),
        ("raise ImportError('wrong version\\nof something')", "ImportError: wrong version"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("def broken(:", "SyntaxError"),
        (GOOD.replace("register_mixers", "register_mixer"), "unknown hook 'register_mixer'"),
        (GOOD.replace('register("good", M)', "1 / 0"), "ZeroDivisionError"),
    ],
)
def test_a_plugin_that_fails_is_named_and_the_rest_goes_on(
    source: str, says: str, installed: Callable[..., Registry]
) -> None:
    registry = installed(broken=source, good=GOOD)
    broken, good = registry.plugins
    assert (broken.name, broken.distribution, broken.version) == ("broken", "broken-dist", "1.2")
    assert says in (broken.error or "")
    assert good.error is None
    assert registry.names("mixer") == ["good"]
    with pytest.raises(PluginError) as caught:
        registry.find("mixer", "retention")
    assert "broken" in (caught.value.diagnostics[0].help or "")


def test_a_name_claimed_twice_asks_for_the_distribution(installed: Callable[..., Registry]) -> None:
    registry = installed(left=GOOD, right=GOOD)
    with pytest.raises(PluginError) as caught:
        registry.find("mixer", "good")
    (found,) = caught.value.diagnostics
    assert (found.code, found.help) == ("B0603", "write left-dist:good or right-dist:good")
    assert registry.find("mixer", "right-dist:good").plugin.name == "right"


def test_a_target_that_cannot_be_imported() -> None:
    registry = Registry([]).with_plugin(Given("one", target="no_such_module:One"))
    with pytest.raises(PluginError) as caught:
        registry.find("mixer", "one").load()
    assert caught.value.diagnostics[0].code == "B0602"
    assert "no_such_module" in caught.value.diagnostics[0].message


def test_an_unknown_name() -> None:
    with pytest.raises(PluginError) as caught:
        Registry.installed().find("mixer", "mamba22")
    (found,) = caught.value.diagnostics
    assert (found.code, found.message, found.help) == (
        "B0601", "no mixer is called 'mamba22'", "did you mean 'mamba2'?",
    )  # fmt: skip


def test_every_kind_is_there() -> None:
    registry = Registry.installed()
    assert not [plugin for plugin in registry.plugins if plugin.error]
    for kind in ("mixer", "embedding", "position", "norm", "head", "tokenizer", "kernel", "command"):
        assert registry.names(kind), kind
    assert {plugin.distribution for plugin in Registry.installed(plugins=False).plugins} == {"blocks-dsl"}


def test_given_plugins_are_added_to_a_copy() -> None:
    registry = Registry.installed()
    more = registry.with_plugin(Given("mine"))
    assert "mine" in more.names("mixer")
    assert "mine" not in registry.names("mixer")


def test_reading_recipes_and_plans_imports_no_torch() -> None:
    code = (
        "import sys, blocks\n"
        "from blocks.canonical import canonical\n"
        "text = 'recipe: a\\nd_model: 64\\ndepth: 4\\nvocab_size: 8\\nmodel: attention and FFN, RoPE'\n"
        "canonical(blocks.load(text).plan())\n"
        "for entry in blocks.Registry.installed().entries:\n"
        "    if entry.kind in ('mixer', 'norm', 'position', 'embedding', 'head', 'tokenizer'):\n"
        "        entry.load()\n"
        "print('torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_one_plugin_that_registers_a_name_twice_is_named_once() -> None:
    with pytest.raises(PluginError) as caught:
        Registry([]).with_plugin(Given("same", "same")).find("mixer", "same")
    (found,) = caught.value.diagnostics
    assert found.code == "B0603"
    assert found.message == "mixer 'same' is registered 2 times by (given)"
    assert " or (given):same" not in str(found.help)


def test_what_a_plugin_prints_is_no_output(
    installed: Callable[..., Registry], capsys: pytest.CaptureFixture[str]
) -> None:
    registry = installed(loud="print('hello')\n" + GOOD)
    assert registry.names("mixer")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "hello\n")


def test_two_distributions_may_bring_one_package(stranger: Callable[..., Path], tmp_path: Path) -> None:
    stranger("left", GOOD, module="fake_shared")
    stranger("right", GOOD, module="fake_shared")
    code = "from blocks import Registry\nr = Registry.installed()\nr.find('mixer', 'mamba2')\nr.find('mixer', 'good')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=on_path(tmp_path))
    assert "mixer 'good' is claimed by 2 plugins" in done.stderr
    assert "write left-dist:good or right-dist:good" in done.stderr


@pytest.mark.parametrize("target", ["fake_plugin_odd:NUMBER", "fake_plugin_odd:Norm"])
def test_what_is_registered_is_of_its_kind(target: str, installed: Callable[..., Registry]) -> None:
    source = GOOD.replace("import Mixer", "import Mixer, Norm").replace(
        "M)\n", repr(target) + ")\nNUMBER = 5\n"
    )
    entry = installed(odd=source).find("mixer", "good")
    with pytest.raises(PluginError) as caught:
        entry.load()
    (found,) = caught.value.diagnostics
    assert found.code == "B0609"
    assert found.message.startswith("plugin 'odd' (odd-dist 1.2) registers ")
    assert found.help == "a mixer is a subclass of blocks.Mixer"


@pytest.mark.parametrize(
    ("kind", "name", "help"),
    [
        ("mixer", "retention", "retention is in blocks-retention, which is not installed: pip install "),
        ("mixer", "retentoin", "did you mean 'retention'? retention is in blocks-retention, which is not "),
        ("norm", "retention", "known norms: "),
    ],
)
def test_a_name_of_a_plugin_that_is_not_installed(kind: str, name: str, help: str) -> None:
    with pytest.raises(PluginError) as caught:
        Registry.installed(plugins=False).find(kind, name)
    (found,) = caught.value.diagnostics
    assert found.code == "B0601"
    assert str(found.help).startswith(help)
