"""`blocks check`: all problems of all files at once, for people and for machines."""

import json
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

import pytest

from blocks import Registry
from blocks.cli import main
from blocks_compiler.commands.check import COMMAND, watch

WRONG = """\
recipe: wrong
d_model: 512
vocab_size: 32k
blocks:
  attention: {mixer: multi_head, n_heads: 12}
  ffn: {mixer: mlp, activatoin: gelu}
model:
  - embed: tokens
  - stack: {depth: 3, interleave: [attention, ffn]}
  - head: lm
"""


@pytest.fixture
def wrong(tmp_path: Path) -> str:
    path = tmp_path / "wrong.yaml"
    path.write_text(WRONG)
    return str(path)


def test_good_recipes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "gpt2", "recipes/nemotron-h-56b.yaml"]) == 0
    assert capsys.readouterr().out == "gpt2: ok, 24 blocks\nrecipes/nemotron-h-56b.yaml: ok, 118 blocks\n"


def test_every_problem_at_once(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", wrong, "gpt2", "recipes/none.yaml"]) == 1
    captured = capsys.readouterr()
    assert captured.out == "gpt2: ok, 24 blocks\n"
    for code in ("B0307", "B0201", "B0401", "B0801"):
        assert f"error[{code}]" in captured.err
    assert captured.err.endswith("4 problems\n")


def test_json_is_a_contract(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", wrong, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [set(entry) for entry in found] == [{"code", "message", "file", "line", "column", "help"}] * 3
    assert found[0] == {
        "code": "B0307",
        "message": "12 heads do not divide d_model = 512",
        "file": wrong,
        "line": 5,
        "column": 43,
        "help": "use 8 or 16 heads, or set head_dim",
    }
    assert main(["check", "gpt2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_sarif_goes_to_standard_output_or_a_file(
    wrong: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["check", "wrong.yaml", "gpt2", "--sarif"]) == 1
    captured = capsys.readouterr()
    assert captured.err == ""
    results = json.loads(captured.out)["runs"][0]["results"]
    assert [result["ruleId"] for result in results] == ["B0307", "B0201", "B0401"]
    place = results[0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "wrong.yaml", "uriBaseId": "%SRCROOT%"}
    assert main(["check", "wrong.yaml", "gpt2", "--sarif", "found.sarif"]) == 1
    assert capsys.readouterr().out == ""
    assert (tmp_path / "found.sarif").read_text(encoding="utf-8") == captured.out
    assert main(["check", "gpt2", "--sarif"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"][0]["results"] == []


def test_sarif_never_replaces_a_recipe(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--sarif", wrong, "gpt2"]) == 2
    assert "error[B0812]" in capsys.readouterr().err
    assert Path(wrong).read_text() == WRONG


@pytest.mark.parametrize("options", [["--json", "--sarif"], ["--watch", "--json"], ["--sarif=-", "--watch"]])
def test_ways_to_report_do_not_go_together(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "gpt2", *options]) == 2
    captured = capsys.readouterr()
    assert "B0805" in captured.err + captured.out


def arguments(*names: str) -> Namespace:
    parser = ArgumentParser()
    COMMAND.configure(parser)
    args = parser.parse_args([*names, "--watch"])
    args.registry = Registry.installed()
    return args


def clock(*acts: Callable[[], object]) -> Callable[[], None]:
    """Naps during which something happens; after the last one Ctrl-C is pressed."""
    left = iter(acts)

    def nap() -> None:
        act = next(left, None)
        if act is None:
            raise KeyboardInterrupt
        act()

    return nap


def test_watching_checks_again_what_changed(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(wrong)
    shown: list[str] = []

    def then(text: str) -> Callable[[], object]:
        def act() -> None:
            shown.append("".join(capsys.readouterr()))
            path.write_text(text)

        return act

    good = Path("recipes/gpt2.yaml").read_text()
    with pytest.raises(KeyboardInterrupt):
        watch(arguments(wrong, "gpt2"), clock(then(good), then(WRONG), lambda: None))
    shown.append("".join(capsys.readouterr()))
    assert len(shown) == 3
    for text in shown[0], shown[2]:
        assert "gpt2: ok, 24 blocks" in text
        assert "watching 2 files; Ctrl-C ends" in text
        assert "3 problems" in text
    assert f"{wrong}: ok, 24 blocks" in shown[1]


def test_watching_sees_the_files_that_a_recipe_extends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, recipe = tmp_path / "base.yaml", tmp_path / "wide.yaml"
    base.write_text(Path("recipes/gpt2-tiny.yaml").read_text())
    recipe.write_text("recipe: wide\nextends: base.yaml\n")
    shown: list[str] = []

    def act() -> None:
        shown.append("".join(capsys.readouterr()))
        base.write_text(base.read_text().replace("n_heads: ", "n_head: "))

    with pytest.raises(KeyboardInterrupt):
        watch(arguments(str(recipe)), clock(act))
    assert "watching 2 files" in shown[0]
    assert "B0201" in capsys.readouterr().err


def test_ctrl_c_ends_a_watch_with_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def pressed(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", pressed)
    assert main(["check", "gpt2", "--watch"]) == 130
    captured = capsys.readouterr()
    assert captured.out == "gpt2: ok, 24 blocks\nwatching 1 file; Ctrl-C ends\n"
    assert captured.err == "interrupted\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["check", "nemotron-h-56b"],
        ["show", "gpt2"],
        ["cost", "gpt2"],
        ["plugins"],
        ["schema"],
        ["diff", "gpt2", "gpt2"],
        ["check", "gpt2", "--sarif"],
    ],
)
def test_torch_is_not_imported(arguments: list[str]) -> None:
    program = f"import sys; from blocks.cli import main; main({arguments!r}); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("False\n")
