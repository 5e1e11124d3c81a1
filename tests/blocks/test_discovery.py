"""Strangers' plugins from the command line: the culprit is named, the rest works, and who is loaded can be said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

GOOD = """
from blocks import Norm, hookimpl
class Plain(Norm):
    module = "torch.nn:RMSNorm"
@hookimpl
def register_norms(register):
    register("NAME", Plain)
"""
CHANGES = """
import os, random
random.seed(3)
os.environ["OMP_NUM_THREADS"] = "17"
from blocks import hookimpl
@hookimpl
def register_norms(register):
    register("late", "fake_late:Late")
"""
LATE = """
import os
os.environ["MKL_NUM_THREADS"] = "17"
from blocks import Norm
class Late(Norm):
    pass
"""


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `blocks` where the distributions of `tmp_path` are installed."""

    def start(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **variables}
        command = [
            sys.executable,
            "-c",
            "import sys; from blocks.cli import main; sys.exit(main())",
            *arguments,
        ]
        return subprocess.run(command, capture_output=True, text=True, env=env, timeout=60)

    return start


@pytest.mark.parametrize(
    ("source", "code", "says"),
    [
        ("import not_there_at_all", "B0602", "ModuleNotFoundError: No module named 'not_there_at_all'"),
        ("import sys; sys.exit(0)", "B0602", "SystemExit: 0"),
        ("while True: pass", "B0606", "still importing after 0.5 s"),
        ("import time; time.sleep(100)", "B0606", "still importing after 0.5 s"),
        ("blocks_api = 9\nraise RuntimeError('it was run')", "B0607", "written for version 9 of the plugin API"),
        (GOOD.replace("register_norms", "register_norm"), "B0608", "did you mean 'register_norms'?"),
    ],
)  # fmt: skip
def test_a_culprit_is_named_and_the_rest_works(
    source: str, code: str, says: str, stranger: Callable[..., Path], run: Callable[..., Any]
) -> None:
    stranger("bad", source)
    stranger("good", GOOD.replace("NAME", "plainnorm"))
    done = run("check", "gpt2-tiny", "--json", BLOCKS_PLUGIN_TIMEOUT="0.5")
    assert (done.returncode, done.stdout) == (0, "[]\n")
    assert done.stderr.startswith(f"warning[{code}]: plugin 'bad' (bad-dist 1.2) is left out: ")
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1

    done = run("plugins", "--json", BLOCKS_PLUGIN_TIMEOUT="0.5")
    assert (done.returncode, done.stderr) == (0, "")
    rows = {(row["kind"], row["name"]): row for row in json.loads(done.stdout)}
    assert rows["plugin", "bad"]["status"] == "failed"
    assert rows["plugin", "bad"]["distribution"] == "bad-dist"
    assert rows["plugin", "bad"]["error"].startswith(f"{code}: ")
    assert rows["norm", "plainnorm"]["status"] == "ok"


def test_changed_settings_are_told(
    stranger: Callable[..., Path], run: Callable[..., Any], tmp_path: Path
) -> None:
    stranger("loose", CHANGES)
    (tmp_path / "fake_late.py").write_text(LATE)
    rows = json.loads(run("plugins", "--json").stdout)
    (row,) = (row for row in rows if row["kind"] == "plugin")
    assert (row["name"], row["status"]) == ("loose", "warning")
    assert row["error"] == (
        "B0611: importing it changed the random state of `random`, the environment variable OMP_NUM_THREADS, "
        "the environment variable MKL_NUM_THREADS; put back"
    )


def test_a_target_that_fails_is_told(stranger: Callable[..., Path], run: Callable[..., Any]) -> None:
    stranger("loose", CHANGES)
    rows = json.loads(run("plugins", "--json").stdout)
    (row,) = (row for row in rows if row["name"] == "late")
    assert row["status"] == "failed"
    assert "No module named 'fake_late'" in row["error"]


def test_blocks_plugins_says_who_is_loaded(stranger: Callable[..., Path], run: Callable[..., Any]) -> None:
    stranger("left", GOOD.replace("NAME", "leftnorm"))
    stranger("right", GOOD.replace("NAME", "rightnorm"))

    def state(*options: str, **variables: str) -> dict[str, str]:
        rows = json.loads(run(*options, "plugins", "--json", **variables).stdout)
        return {
            row["name"]: row["error"] or row["status"] for row in rows if row["distribution"] != "blocks-dsl"
        }

    out = "BLOCKS_PLUGINS leaves it out"
    assert state() == {"leftnorm": "ok", "rightnorm": "ok"}
    assert state(BLOCKS_PLUGINS="Left_Dist,") == {"leftnorm": "ok", "right": out}
    assert state(BLOCKS_PLUGINS="") == {"left": out, "right": out}
    out = "--no-plugins leaves it out"
    assert state("--no-plugins", BLOCKS_PLUGINS="left-dist") == {"left": out, "right": out}
    assert "BLOCKS_PLUGINS=left-dist says which" in run("plugins", BLOCKS_PLUGINS="left-dist").stdout


def test_blocks_plugins_that_names_nobody(stranger: Callable[..., Path], run: Callable[..., Any]) -> None:
    stranger("left", GOOD)
    done = run("plugins", BLOCKS_PLUGINS="lefd-dist")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error[B0605]: BLOCKS_PLUGINS names 'lefd-dist', and no plugin's distribution is called so\n"
        "  = help: did you mean 'left-dist'? installed: left-dist\n"
    )


@pytest.mark.parametrize(
    ("options", "variables", "by"),
    [((), {"BLOCKS_PLUGINS": ""}, "BLOCKS_PLUGINS"), (("--no-plugins",), {}, "--no-plugins")],
)
@pytest.mark.parametrize(("written", "start"), [("leftnorm", ""), ("leftnrom", "did you mean 'leftnorm'? ")])
def test_a_name_that_is_left_out_says_where_it_is(
    options: tuple[str, ...], variables: dict[str, str], by: str, written: str, start: str,
    stranger: Callable[..., Path], run: Callable[..., Any], tmp_path: Path,
) -> None:  # fmt: skip
    stranger("left", GOOD.replace("NAME", "leftnorm") + "raise RuntimeError('it was run')\n")
    recipe = tmp_path / "r.yaml"
    model = f"[{{embed: tokens}}, {{norm: {written}}}, {{head: lm}}]"
    recipe.write_text(f"recipe: r\nd_model: 8\nvocab_size: 9\nmodel: {model}\n")
    done = run(*options, "check", str(recipe), **variables)
    assert done.returncode == 1
    assert f"= help: {start}leftnorm is in left-dist 1.2, which {by} leaves out\n" in done.stderr


def test_a_command_that_two_claim_is_called_by_its_distribution(
    stranger: Callable[..., Path], run: Callable[..., Any]
) -> None:
    stranger("rival", GOOD.replace("norms", "commands").replace("NAME", "why"))
    done = run("why", "B0601")
    assert (done.returncode, "write blocks-dsl:why or rival-dist:why" in done.stderr) == (1, True)
    assert run("blocks-dsl:why", "B0601").returncode == 0
    assert run("check", "gpt2-tiny").returncode == 0


def test_declarations_that_never_come_are_given_up(
    stranger: Callable[..., Path], run: Callable[..., Any], tmp_path: Path
) -> None:
    register = "".join(f"    register('late{n}', 'fake_late:Late')\n" for n in range(3))
    stranger("slow", f"from blocks import hookimpl\n@hookimpl\ndef register_norms(register):\n{register}")
    (tmp_path / "fake_late.py").write_text("import time\ntime.sleep(100)\n")
    rows = json.loads(run("plugins", "--json", BLOCKS_PLUGIN_TIMEOUT="0.5").stdout)
    late = [row for row in rows if row["distribution"] == "slow-dist"]
    assert [row["status"] for row in late] == ["failed"] * 3
    assert all(row["error"].endswith("fake_late:Late: still importing after 0.5 s") for row in late)
    assert run("check", "gpt2-tiny", BLOCKS_PLUGIN_TIMEOUT="0.5").returncode == 0


def test_a_build_counts_what_was_built(
    stranger: Callable[..., Path], run: Callable[..., Any], tmp_path: Path
) -> None:
    stranger("liar", GOOD.replace("NAME", "freenorm"))  # its module has 8 parameters, and it declares none
    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        "recipe: r\nd_model: 8\nvocab_size: 9\nmodel: [{embed: tokens}, {norm: freenorm}, {head: lm}]\n"
    )
    done = run("build", str(recipe), "-o", str(tmp_path / "built"))
    assert done.returncode == 0
    assert (
        "warning[B0610]: norm 'freenorm' of plugin 'liar' (liar-dist 1.2) declares 0 parameters"
        in done.stderr
    )
    parameters = json.loads((tmp_path / "built" / "manifest.json").read_text())["parameters"]
    assert f"{parameters:,} parameters" in done.stdout
    shown = json.loads(run("show", str(recipe), "--json").stdout)
    assert parameters == shown["parameters"] + 8


def test_of_two_distributions_of_one_name_the_first_on_the_path_counts(
    stranger: Callable[..., Path], run: Callable[..., Any], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    stranger("left", GOOD.replace("NAME", "firstnorm"))
    stranger("left", GOOD.replace("NAME", "secondnorm"), folder=other)
    paths = os.pathsep.join([str(tmp_path), str(other), *filter(None, [os.environ.get("PYTHONPATH")])])
    rows = json.loads(run("plugins", "--json", PYTHONPATH=paths).stdout)
    assert [row["name"] for row in rows if row["distribution"] == "left-dist"] == ["firstnorm"]


def test_a_wrong_time_limit_is_told(stranger: Callable[..., Path], run: Callable[..., Any]) -> None:
    stranger("left", GOOD)
    done = run("check", "gpt2-tiny", BLOCKS_PLUGIN_TIMEOUT="soon")
    assert done.returncode == 2
    assert "error[B0605]: BLOCKS_PLUGIN_TIMEOUT is 'soon', not a number of seconds" in done.stderr


def test_an_installation_that_broke_off_is_survived(
    stranger: Callable[..., Path], run: Callable[..., Any], tmp_path: Path
) -> None:
    stranger("good", GOOD.replace("NAME", "goodnorm"))
    for name, point in (("half", "half = not_there_at_all"), ("odd", "odd = ?!")):
        info = tmp_path / f"{name}-1.dist-info"
        info.mkdir()
        (info / "entry_points.txt").write_text(f"[blocks]\n{point}\n")
    done = run("check", "gpt2-tiny")
    assert done.returncode == 0
    assert "warning[B0602]: 2 plugins are left out: 'odd' (? ?), 'half'" in done.stderr
    assert done.stderr.count("warning[") == 1
    assert "goodnorm" in run("plugins", "--kind", "norm", BLOCKS_PLUGINS="good-dist").stdout
