"""Arguments that several commands share: sizes, recipes by file and by name."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

import pytest

from blocks import Recipe, RecipeError, Registry, UsageError, load
from blocks.cli import main
from blocks.published import locate, published
from blocks_compiler.commands.options import add_json, add_recipe, count, plan_of


def load_named(name: str) -> Recipe:
    """What a command does with a recipe argument."""
    return load(locate(name))


TEXT = """
recipe: mine
d_model: 8
vocab_size: 9
blocks: {f: {mixer: mlp}}
model: [{embed: tokens}, {stack: {layers: f}}, {head: lm}]
"""


@pytest.mark.parametrize(
    ("text", "value"), [("1", 1), ("32k", 32_000), ("1M", 10**6), ("2 * 3", 6), ("2T", 2 * 10**12)]
)
def test_counts(text: str, value: int) -> None:
    assert count(text, "--context") == value


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "", "1 +"])
def test_what_is_no_count(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        count(text, "--context")
    (found,) = caught.value.diagnostics
    assert found.code == "B0805"
    assert found.message.startswith(f"--context {text!r}")


def test_a_published_architecture_is_found_by_name() -> None:
    assert set(published()) >= {"gpt2", "nemotron-h-8b"}
    assert load_named("gpt2").recipe == "gpt2"


def test_a_file_is_found_by_path_and_wins_over_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("mine.yaml", "gpt2"):
        Path(name).write_text(TEXT)
        assert load_named(name).recipe == "mine"


@pytest.mark.parametrize(
    ("name", "help"),
    [
        ("gtp2", "did you mean 'gpt2'?"),
        ("quantum-foam", "`blocks recipes` lists the published ones"),
        ("missing.yaml", None),
        ("gpt2.yml", None),
    ],
)
def test_a_recipe_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, help: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError) as caught:
        load_named(name)
    (found,) = caught.value.diagnostics
    assert (found.code, found.help) == ("B0801", help)
    assert name in found.message


def parsed(*words: str, many: bool = False) -> Namespace:
    parser = ArgumentParser(exit_on_error=False)
    add_recipe(parser, many=many)
    add_json(parser)
    return parser.parse_args(words, Namespace(registry=Registry.installed(plugins=False)))


def test_the_arguments() -> None:
    assert (parsed("a").recipe, parsed("a").json) == ("a", False)
    assert (parsed("a", "b", many=True).recipes, parsed("a", "--json").json) == (["a", "b"], True)


def test_a_budget_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(TEXT)
    assert len(plan_of(str(file), parsed("-")).layers) == 1
    with pytest.raises(RecipeError, match="parameters"):
        plan_of(str(file), parsed("-", "--max-params", "100"))
    with pytest.raises(UsageError, match="--max-params 'none'"):
        plan_of(str(file), parsed("-", "--max-params", "none"))


def test_settings_change_every_recipe_of_a_command(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(TEXT)
    words = ("-", "--set", "d_model=16", "--set", "stack.layers=[f, f]")
    assert len(plan_of(str(file), parsed(*words)).layers) == 2
    assert plan_of("gpt2-tiny", parsed("-", "--set", "d_model=96")).sizes.d_model == 96
    with pytest.raises(RecipeError) as caught:
        plan_of(str(file), parsed("-", "--set", "d_model=16", "--set", "d_model=x"))
    (found,) = caught.value.diagnostics
    assert (found.code, found.file, found.span and found.span.column) == ("B0315", "--set 2", 9)


@pytest.mark.parametrize(
    "words",
    [("check",), ("show", "--json"), ("cost", "--json"), ("eject",)],
)
def test_every_command_takes_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(TEXT)
    assert main([words[0], str(file), "--set", "stack.layers=[f, f, f]", *words[1:]]) == 0
    assert {
        "check": "3 blocks",
        "show": "layers.2",
        "cost": '"parameters"',
        "eject": "class",
    }[words[0]] in capsys.readouterr().out
    assert main([words[0], str(file), "--set", "stack.layer=f", *words[1:]]) == 1
    out = capsys.readouterr()
    assert "--set 1" in out.out + out.err
