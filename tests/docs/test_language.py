"""docs/language.md: every example is checked, drawn and read back; no key and no component is missing."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import blocks
from blocks import Registry
from blocks.canonical import canonical
from blocks.cli import main
from blocks.reader import read
from blocks.recipe import Block, Recipe, Stack, Stage
from blocks.registry import TRAINING
from blocks.same import same_plan
from blocks.training import Training
from blocks_compiler.backends.diagram import diagram, graph_svg

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
MODELS = {"Recipe": Recipe, "Stage": Stage, "Stack": Stack, "Block": Block, "Training": Training}
NEEDED = {
    "recipe", "extends", "d_model", "vocab_size", "depth", "let", "tokenizer", "blocks", "model",
    "embed", "position", "stack", "norm", "head", "heads",
    "layers", "pattern", "symbols", "interleave", "scatter", "cycle", "override", "residual",
    "scale", "layer_scale", "alpha", "out_norm", "name",
    "mixer", "parallel", "join", "share", "adapter", "memory", "kv_from",
    "train", *Training.model_fields,
}  # fmt: skip
"""Keys that some example uses: all but `about`, and `plugins`, which lock files have."""


def fenced(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


EXAMPLES = fenced("yaml")


def named(example: str) -> str:
    """What a test of this example is called: the heading above it and its number."""
    above = PAGE[: PAGE.index(example)]
    heading = re.findall(r"^## (.+)$", above, flags=re.MULTILINE)[-1:] or ["first"]
    return f"{heading[0]}-{EXAMPLES.index(example)}"


def whole(example: str) -> str:
    """The recipe that an example stands for: what it leaves out is as in the first one of the page."""
    given = read(example).value
    assert isinstance(given, Mapping)
    if "recipe" in given:
        return example
    first: dict[str, Any] = read(EXAMPLES[0]).value  # type: ignore[assignment]
    recipe = {**first, **given, "blocks": {**first["blocks"], **given.get("blocks", {})}}  # type: ignore[dict-item]
    stages: list[dict[str, Any]] = list(recipe["model"])
    keys = [next(iter(stage)) for stage in stages]
    if "embed" not in keys:
        stages.insert(0, first["model"][0])
    if not {"head", "heads"} & set(keys):
        stages += first["model"][-2:]
    return json.dumps({**recipe, "model": stages}, indent=1)


def keys_in(value: Any) -> set[str]:
    if isinstance(value, Mapping):
        return set(value) | {key for inner in value.values() for key in keys_in(inner)}
    if isinstance(value, list):
        return {key for inner in value for key in keys_in(inner)}
    return set()


@pytest.mark.parametrize("example", EXAMPLES, ids=named)
def test_example_is_sound_and_drawn(example: str) -> None:
    plan = blocks.load(whole(example)).plan()
    assert plan.layers
    assert diagram(blocks.compile_graph(whole(example))).startswith("digraph")


@pytest.mark.parametrize("example", EXAMPLES, ids=named)
def test_example_reads_back_from_its_canonical_form(example: str) -> None:
    plan = blocks.load(whole(example)).plan()
    text = canonical(plan)
    again = blocks.load(text).plan()
    assert same_plan(plan, again)
    assert plan.training == again.training
    assert canonical(again) == text


def test_the_examples_use_every_key() -> None:
    used = {key for example in EXAMPLES for key in keys_in(read(example).value)}
    assert NEEDED - used == set()
    every = {name for model in MODELS.values() for name in model.model_fields}
    assert every - NEEDED == {"about", "plugins"}


@pytest.mark.parametrize("example", EXAMPLES, ids=named)
def test_example_uses_the_blocks_that_it_says(example: str) -> None:
    given = read(example).value
    assert isinstance(given, Mapping)
    layers = blocks.load(whole(example)).plan().layers
    used = {layer.type.name for layer in layers}
    used |= {branch.entry for layer in layers for branch in layer.type.branches}
    said = given.get("blocks", {})
    assert isinstance(said, Mapping)
    assert set(said) - used == set()


@pytest.mark.parametrize("name", MODELS)
def test_the_table_has_every_key(name: str) -> None:
    section = re.split(r"^### ", PAGE.partition(f"\n### {name}\n")[2], flags=re.MULTILINE)[0]
    rows = re.findall(r"^\| (`.+?) \|", section, flags=re.MULTILINE)
    keys = [key for row in rows for key in re.findall(r"`(\w+)`", row)]
    assert sorted(keys) == sorted(MODELS[name].model_fields)


def test_every_component_that_comes_with_blocks_is_named() -> None:
    listed = {
        kind: re.findall(r"`(\w+)`", names)
        for kind, names in re.findall(r"^\| (\w+) \| (`.*) \|$", PAGE, flags=re.MULTILINE)
    }
    for kind in ("mixer", "norm", "position", "embedding", "head", "score", "tokenizer", *TRAINING):
        installed = {entry.name for entry in Registry.installed(plugins=False).entries if entry.kind == kind}
        assert set(listed[kind]) == installed


def test_the_mistakes_are_those_of_the_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (wrong,), (shown,) = fenced("yaml wrong"), fenced("text")
    (tmp_path / "wrong.yaml").write_text(wrong, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert main(["check", "wrong.yaml"]) == 1
    captured = capsys.readouterr()
    assert (captured.out + captured.err).strip() == shown.strip()


COMMANDS = [
    line[2:] for session in fenced("console") for line in session.splitlines() if line.startswith("$ ")
]


@pytest.mark.parametrize("command", COMMANDS)
def test_command_works(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    program, *arguments = shlex.split(command)
    assert program == "blocks"
    assert main(arguments) == (1 if arguments[0] == "diff" else 0)  # they differ
    assert capsys.readouterr().out


def test_python_prints_what_the_comment_says(capsys: pytest.CaptureFixture[str]) -> None:
    code = "\n".join(fenced("python"))
    promised = [line.partition("  # ")[2] for line in code.splitlines() if line.startswith("print(")]
    exec(compile(code, "language.md", "exec"), {"__name__": "language"})
    assert capsys.readouterr().out.splitlines() == promised


def test_links_lead_somewhere() -> None:
    headings = re.findall(r"^#+ (.+)$", PAGE, flags=re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    links = re.findall(r"\]\(([^)]+)\)", PAGE)
    assert links
    for link in links:
        assert link[1:] in anchors if link.startswith("#") else (ROOT / "docs" / link).is_file(), link


PICTURES = re.findall(r"\]\(images/(zoo-.+?)\.svg\)", PAGE)


@pytest.mark.parametrize("picture", PICTURES)
def test_picture_is_up_to_date(picture: str) -> None:
    """Its words are those that `blocks draw` writes today, and `make pictures` draws it."""
    name = picture.replace("zoo-", "zoo/", 1)
    drawn = graph_svg(blocks.compile_graph(name))
    kept = (ROOT / "docs" / "images" / f"{picture}.svg").read_text(encoding="utf-8")
    words = [re.findall(r"<text[^>]*>(.*?)</text>", svg, flags=re.DOTALL) for svg in (kept, drawn)]
    assert words[0] == words[1]
    assert words[0]
    command = f"blocks draw {name} -o docs/images/{picture}.svg"
    assert command in (ROOT / "Makefile").read_text(encoding="utf-8"), "make pictures does not draw it"


def test_the_table_of_schedules_has_every_one() -> None:
    section = PAGE.partition("\n**Schedules.**")[2].partition("\n**The usual choices**")[0]
    rows = re.findall(r"^\| (\w+) \|", section, flags=re.MULTILINE)
    assert sorted(rows[1:]) == Registry.installed(plugins=False).names("schedule")


def test_the_table_of_usual_choices_tells_the_truth() -> None:
    section = PAGE.partition("\n**The usual choices**")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| (`.*?) \| (.*?) \|", section, flags=re.MULTILINE))
    named = [key for row in rows for key in re.findall(r"`(\w+)`", row)]
    assert sorted(named) == sorted(Training.model_fields)
    usual = blocks.load(whole(EXAMPLES[0])).plan().train
    optimizer, schedule = usual.optimizer.options(), usual.schedule.model_dump()
    assert rows["`optimizer`"] == (
        f"{usual.optimizer.name}, lr {optimizer['lr']:.0e}, β {optimizer['beta1']} and {optimizer['beta2']}, "
        f"ε {optimizer['eps']:.0e}, decay {optimizer['weight_decay']}"
    ).replace("e-0", "e-")
    assert (schedule["warmup"], schedule["minimum"]) == (0.01, 0.1)
    assert rows["`schedule`"] == f"{usual.schedule.name}, warm-up 1% of the steps, down to a tenth"
    amount = f"{usual.steps:,} × {usual.batch} × {usual.context} tokens"
    assert rows["`steps` × `batch` × `context`"] == amount
    for key in ("objective", "dtype", "packing", "validation", "clip", "seed"):
        value = getattr(usual, key)
        assert rows[f"`{key}`"] == str(getattr(value, "name", value))
    assert rows["`eval_every` `save_every`"] == str(usual.eval_every) == str(usual.save_every)
    assert not any((usual.checkpoint, usual.compile, usual.ema, usual.carry, usual.auxiliary))
