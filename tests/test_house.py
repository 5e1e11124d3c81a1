"""The house: packages on disk are those installed, public names are what is visible, torch comes on build alone."""

import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def on_disk() -> set[str]:
    """Import names of all packages: folders with an __init__.py below blocks/, compiler/, plugins/ and recipes/."""
    found = {"blocks_recipes"}
    for base in (ROOT, ROOT / "compiler", ROOT / "plugins"):
        for folder in base.iterdir():
            if folder.name.startswith("blocks") and (folder / "__init__.py").is_file():
                inside = [path.parent for path in folder.rglob("__init__.py")]
                found |= {".".join(path.relative_to(base).parts) for path in inside}
    return found


def test_the_list_of_packages_is_what_is_on_disk():
    listed = SETTINGS["tool"]["setuptools"]["packages"]
    assert sorted(listed) == listed
    assert set(listed) == on_disk()


def test_every_package_has_its_folder():
    folders = SETTINGS["tool"]["setuptools"]["package-dir"]
    assert folders.keys() == {name for name in on_disk() if "." not in name}
    for name, folder in folders.items():
        assert (ROOT / folder / "__init__.py").is_file(), name


def test_every_plugin_on_disk_has_an_entry_point():
    points = set(SETTINGS["project"]["entry-points"]["blocks"].values())
    assert points == {path.name for path in (ROOT / "plugins").glob("blocks_*")} | {"blocks_compiler"}


@pytest.mark.parametrize("name", ["blocks", "blocks.testing", "blocks_compiler"])
def test_public_names_are_what_is_visible(name):
    module = import_module(name)
    assert sorted(module.__all__) == list(module.__all__)
    assert all(getattr(module, public) is not None for public in module.__all__)
    if hasattr(module, "__dir__") and name == "blocks":
        assert dir(module) == sorted(module.__all__)
    with pytest.raises(ImportError):
        exec(f"from {name} import nothing_of_that_name")


CODE = {
    "import blocks": "import blocks",
    "public names": (
        "import blocks\n"
        "for name in blocks.__all__:\n    getattr(blocks, name)"
    ),
    "blocks.testing": "from blocks.testing import conformance",
    "load": "import blocks; blocks.load({path!r})",
    "plan": "import blocks; blocks.load({path!r}).plan()",
    "compile_graph": "import blocks; blocks.compile_graph({path!r})",
    "source": (
        "import blocks\n"
        "from blocks_compiler.backends.source import generate\n"
        "generate(blocks.compile_graph({path!r}))"
    ),
    "declarations": (
        "from blocks import Registry\n"
        "registry = Registry.installed(plugins=False)\n"
        "for entry in registry.entries:\n"
        "    entry.kind in ('command', 'exporter') or entry.load()"
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CODE)
def test_imports_no_torch(what):
    path = str(ROOT / "recipes" / "nemotron-h-56b.yaml")
    code = CODE[what].format(path=path)
    code += "\nimport sys; print(*sorted({'torch', 'pytest', 'transformers'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


def test_importing_blocks_imports_no_plugin():
    code = "import blocks, sys; print(*[n for n in sys.modules if n.startswith('blocks') and n != 'blocks'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
