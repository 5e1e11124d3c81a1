"""The example plugin as a stranger's wheel: built, installed, and used by every command."""

from __future__ import annotations

import json
import xml.dom.minidom
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from blocks.cli import main

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "blocks-retention"
RECIPE = str(EXAMPLE / "retnet-tiny.yaml")
KEYS, VALUES, D, H = 64, 128, 64, 4
MIXER = D * (2 * KEYS + 2 * VALUES) + VALUES * D

DECODE = """
import sys, torch, blocks
model = blocks.build(blocks.load(open(sys.argv[1]).read()), seed=1, dtype="float64").eval()
tokens = torch.randint(0, 256, (2, 150), generator=torch.Generator().manual_seed(0))
with torch.no_grad():
    whole, _ = model(tokens)
    state, steps = None, []
    for token in tokens.split(1, dim=1):
        logits, state = model(token, state)
        steps.append(logits)
print((torch.cat(steps, dim=1) - whole).abs().max().item())
"""

EJECTED = """
import importlib.abc, runpy, sys, torch
class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0].startswith("blocks"):
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
names = runpy.run_path(sys.argv[1])
model = names["RetnetTiny"]()
names["init_weights"](model, 0)
print(list(model(torch.arange(6)[None])[0].shape))
"""


@pytest.fixture(scope="session")
def environment(install_wheel: Callable[[Path], Any]) -> Any:
    """Where blocks-retention is installed."""
    return install_wheel(EXAMPLE)


def out(done: Any) -> str:
    """The output of a run that must have gone well, and quietly."""
    assert (done.returncode, done.stderr) == (0, "")
    text: str = done.stdout
    return text


def test_the_wheel_holds_the_package_alone(environment: Any) -> None:
    names = {name for name in ZipFile(environment.wheel).namelist() if ".dist-info/" not in name}
    assert names == {
        f"blocks_retention/{name}" for name in ("__init__.py", "module.py", "specs.py", "py.typed")
    }


def test_it_is_listed_checked_and_shown(environment: Any) -> None:
    rows = json.loads(out(environment.blocks("plugins", "--json")))
    (row,) = (row for row in rows if row["distribution"] == "blocks-retention")
    assert (row["kind"], row["name"], row["version"], row["status"]) == ("mixer", "retention", "0.1.0", "ok")
    assert json.loads(out(environment.blocks("check", RECIPE, "--json"))) == []
    shown = json.loads(out(environment.blocks("show", RECIPE, "--json")))
    assert [layer["mixer"] for layer in shown["layers"]] == ["retention", "mlp"] * 3
    assert shown["layers"][0]["parameters"] == MIXER + 2 * D


def test_a_sentence_knows_its_phrases(environment: Any, tmp_path: Path) -> None:
    recipe = tmp_path / "said.yaml"
    said = "interleaved multi-scale retention and FFN, pre-norm"
    recipe.write_text(f"recipe: said\nd_model: 64\ndepth: 4\nvocab_size: 256\nmodel: {said}\n")
    shown = json.loads(out(environment.blocks("show", str(recipe), "--json")))
    assert [layer["mixer"] for layer in shown["layers"]][::2] == ["retention", "retention"]


def test_it_is_costed(environment: Any) -> None:
    near, far = (
        json.loads(out(environment.blocks("cost", RECIPE, "--context", context, "--json")))
        for context in ("1k", "1M")
    )
    assert near["state_bytes"] == far["state_bytes"] == 3 * (4 * KEYS * VALUES // H + 8)
    assert near["flops_per_token"]["decode"] == far["flops_per_token"]["decode"]


def test_it_is_drawn_and_opened(environment: Any, tmp_path: Path) -> None:
    picture = tmp_path / "retnet.svg"
    out(environment.blocks("draw", RECIPE, "--inside", "-o", str(picture)))
    text = picture.read_text()
    xml.dom.minidom.parseString(text)
    for words in ("xPos rotation", "retention, 4 decays", "RMS norm a head", "swish gate"):
        assert words in text


def test_it_is_built_and_ejected(environment: Any, tmp_path: Path) -> None:
    build, model = tmp_path / "built", tmp_path / "model.py"
    said = out(environment.blocks("build", RECIPE, "-o", str(build)))
    parameters = json.loads(out(environment.blocks("show", RECIPE, "--json")))["parameters"]
    assert f"{parameters:,} parameters" in said
    assert json.loads((build / "manifest.json").read_text())["parameters"] == parameters
    assert "blocks-retention: '0.1.0'" in (build / "recipe.lock.yaml").read_text()
    out(environment.blocks("eject", RECIPE, "-o", str(model)))
    assert out(environment.run("-c", EJECTED, str(model), cwd=tmp_path)) == "[1, 6, 256]\n"


def test_it_decodes_token_by_token_as_in_one_call(environment: Any) -> None:
    assert float(out(environment.run("-c", DECODE, RECIPE))) < 1e-12


def test_it_passes_its_own_tests(environment: Any, tmp_path: Path) -> None:
    options = ["-p", "no:cacheprovider", "-c", str(EXAMPLE / "pyproject.toml"), f"--rootdir={tmp_path}"]
    done = environment.run("-m", "pytest", "-q", *options, str(EXAMPLE / "tests"), cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_what_leaves_it_out_is_told(environment: Any) -> None:
    for options, variables, by in (
        (["--no-plugins"], {}, "--no-plugins"),
        ([], {"BLOCKS_PLUGINS": ""}, "BLOCKS_PLUGINS"),
    ):
        done = environment.blocks(*options, "check", RECIPE, **variables)
        assert done.returncode == 1
        assert "no mixer is called 'retention'" in done.stderr
        assert f"retention is in blocks-retention 0.1.0, which {by} leaves out" in done.stderr
    assert out(environment.blocks("check", RECIPE, BLOCKS_PLUGINS="blocks_retention"))


def test_without_it_the_recipe_says_what_to_install(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--no-plugins", "check", RECIPE]) == 1
    said = capsys.readouterr().err
    assert "retnet-tiny.yaml:9:22" in said
    assert "retention is in blocks-retention, which is not installed: pip install" in said
