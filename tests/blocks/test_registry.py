"""Plugins: found by entry point, imported on first use, kept apart when they fail."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from blocks import Mixer, PluginError, Registry, hookimpl


class One(Mixer):
    pass


class Given:
    """A plugin given as an object."""

    def __init__(self, *names: str, target: Any = One) -> None:
        self.names, self.target = names, target

    @hookimpl
    def register_mixers(self, register: Any) -> None:
        for name in self.names:
            register(name, self.target, help="a test")


def installed(folder: Path, monkeypatch: pytest.MonkeyPatch, **sources: str) -> Registry:
    """A registry with plugins written into a folder, each the distribution of its own name."""
    points = []
    for name, source in sources.items():
        module = f"fake_plugin_{name}"
        (folder / f"{module}.py").write_text(source)
        info = folder / f"{name}_dist-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-dist\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[blocks]\n{name} = {module}\n")
    monkeypatch.syspath_prepend(folder)
    for module in [m for m in sys.modules if m.startswith("fake_plugin_")]:
        monkeypatch.delitem(sys.modules, module)
    from importlib.metadata import distributions

    for dist in distributions(path=[str(folder)]):
        points += [point for point in dist.entry_points if point.group == "blocks"]
    assert all(isinstance(point, EntryPoint) for point in points)
    return Registry(sorted(points, key=lambda point: point.name))


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
    source: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = installed(tmp_path, monkeypatch, broken=source, good=GOOD)
    broken, good = registry.plugins
    assert (broken.name, broken.distribution, broken.version) == ("broken", "broken-dist", "1.2")
    assert says in (broken.error or "")
    assert good.error is None
    assert registry.names("mixer") == ["good"]
    with pytest.raises(PluginError) as caught:
        registry.find("mixer", "retention")
    assert "broken" in (caught.value.diagnostics[0].help or "")


def test_a_name_claimed_twice_asks_for_the_distribution(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = installed(tmp_path, monkeypatch, left=GOOD, right=GOOD)
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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    registry = installed(tmp_path, monkeypatch, loud="print('hello')\n" + GOOD)
    assert registry.names("mixer")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "hello\n")
