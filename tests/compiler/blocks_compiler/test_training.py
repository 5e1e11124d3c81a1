"""How a recipe is trained, in words and rows: `show`, `explain`, `diff`, the lock file, the schema."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

import blocks
from blocks import PlannedTraining, Registry
from blocks.cli import main
from blocks_compiler.backends.lock import lock
from blocks_compiler.compare import compare
from blocks_compiler.explanation import explain
from blocks_compiler.schema import recipe_schema
from blocks_compiler.training import amount, means, rates, reading, rows

TOP = """recipe: r
d_model: 64
vocab_size: 100
blocks: {memory: {mixer: gru}, experts: {mixer: moe}}
model: [{embed: tokens}, {stack: {depth: 4, cycle: [memory, experts]}}, {head: lm}]
"""
SAID = """train:
  optimizer: {adamw: {lr: 0.001}}
  schedule: {cosine: {warmup: 200}}
  steps: 1k
  batch: 32
  accumulate: 4
  checkpoint: [memory, "experts[1]"]
  auxiliary: {load_balance: 0.01}
  ema: 0.999
  carry: true
"""


def train(said: str) -> PlannedTraining:
    return blocks.load(TOP + said).plan().train


def test_amount_counts_the_tokens_of_all() -> None:
    assert amount(train(SAID)) == "1,000 steps of 32 x 256 tokens, 8.19 M in all"
    assert amount(train("train: {steps: 1, batch: 1, context: 8}\n")) == "1 step of 1 x 8 tokens, 8 in all"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("schedule: {cosine: {warmup: 200}}", "5e-06 at the first step, 0.001 at step 200, 0.0001 at the last"),
        ("schedule: {constant: {}}", "0.001 at the first step, 0.001 at the last"),
        ("schedule: {inverse_sqrt: {warmup: 100}}", "1e-05 at the first step, 0.001 at step 100, 0.000316 at the last"),
        ("schedule: {linear: {warmup: 1.0}}", "0.001 at the first step, 1e-06 at the last"),
        ("schedule: {linear: {warmup: 1k}}", "1e-06 at the first step, 0.001 at step 1,000"),
    ],
)  # fmt: skip
def test_rates_are_those_of_the_first_the_best_and_the_last_step(said: str, expected: str) -> None:
    assert rates(train(f"train: {{steps: 1k, optimizer: {{adamw: {{lr: 0.001}}}}, {said}}}\n")) == expected


@pytest.mark.parametrize("steps", [1, 2, 3, 10, 4095, 10**12])
@pytest.mark.parametrize("schedule", [*Registry.installed(plugins=False).names("schedule")])
def test_every_schedule_has_its_rates_whatever_the_number_of_steps(schedule: str, steps: int) -> None:
    said = f"{{{schedule}: {{warmup: {min(3, steps)}}}}}"
    text = rates(train(f"train: {{steps: {steps}, schedule: {said}}}\n"))
    numbers = [float(part.split(" at ")[0]) for part in text.split(", ") if " at " in part]
    assert numbers
    assert all(number >= 0 for number in numbers)
    assert ("last" in text) == (steps > max(1, min(3, steps)))


def test_words_say_what_is_asked_for_and_nothing_else() -> None:
    assert list(means(train(SAID))) == [
        "4 parts of 8 rows a step",
        "gradients clipped to a norm of 1",
        "float32",
        'activations of memory, experts[1] (3 blocks) computed again',
        "moving average of the weights, decay 0.999",
    ]  # fmt: skip
    assert list(means(train("train: {clip: none, dtype: bfloat16, compile: true}\n"))) == [
        "no clipping",
        "bfloat16",
        "compiled",
    ]
    assert next(reading(train(SAID))) == "windows of one long text, each going on where it stopped"


def test_rows_name_options_by_their_component() -> None:
    found = dict(rows(train(SAID)))
    assert found["optimizer"] == "adamw"
    assert found["optimizer.lr"] == "0.001"
    assert found["schedule.warmup"] == "200"
    assert found["auxiliary.load_balance"] == "0.01"
    assert found["checkpoint"] == '[memory, "experts[1]"]'
    assert "seed" in found


@pytest.fixture
def recipes(tmp_path: Path) -> tuple[Path, Path, Path]:
    paths = tmp_path / "said.yaml", tmp_path / "other.yaml", tmp_path / "none.yaml"
    for path, said in zip(
        paths, (SAID, SAID.replace("0.001}", "0.002}").replace("1k", "2k"), ""), strict=True
    ):
        path.write_text(TOP + said)
    return paths


def test_show_has_the_section(recipes: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(recipes[0])]) == 0
    page = capsys.readouterr().out
    for part in (
        "train    next_token",
        "adamw",
        "lr 0.001, beta1 0.9",
        "0.001 at step 200",
        "load_balance",
        "times 0.01",
    ):
        assert part in page
    assert main(["show", str(recipes[0]), "--set", "train.steps=300"]) == 0
    assert "300 steps of 32 x 256" in capsys.readouterr().out
    assert main(["show", str(recipes[2])]) == 0
    assert "adamw" not in capsys.readouterr().out


def test_show_prints_it_for_programs(
    recipes: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", str(recipes[0]), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["train"]
    assert (shown["steps"], shown["optimizer"]["adamw"]["lr"], shown["auxiliary"]) == (
        1000,
        0.001,
        {"load_balance": 0.01},
    )
    assert blocks.load(TOP + "train: " + json.dumps(shown) + "\n").plan().train == train(SAID)
    assert main(["show", str(recipes[2]), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["train"] is None


def test_show_expanded_has_every_key(
    recipes: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", str(recipes[0]), "--expanded"]) == 0
    section = capsys.readouterr().out.partition("\ntrain:\n")[2]
    assert "  schedule: {cosine: {warmup: 200, minimum: 0.1}}\n" in section
    assert "  validation: 0.1\n" in section
    assert main(["show", str(recipes[2]), "--expanded"]) == 0
    assert "train" not in capsys.readouterr().out


def test_diff_calls_it_the_same_architecture_trained_otherwise(
    recipes: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    said, other, none = map(str, recipes)
    assert main(["diff", said, said]) == 0
    capsys.readouterr()
    assert main(["diff", said, other]) == 1
    page = capsys.readouterr().out
    assert "are the same architecture, trained otherwise" in page
    assert [line.split() for line in page.splitlines()[3:]] == [
        ["optimizer.lr", "0.001", "→", "0.002"],
        ["steps", "1000", "→", "2000"],
    ]
    assert main(["diff", said, other, "--json"]) == 1
    shown = json.loads(capsys.readouterr().out)
    assert shown["same"] is True
    assert shown["training"] == [
        {"name": "optimizer.lr", "old": "0.001", "new": "0.002"},
        {"name": "steps", "old": "1000", "new": "2000"},
    ]
    assert main(["diff", said, other, "--markdown"]) == 1
    page = capsys.readouterr().out
    assert "**`" in page
    assert "the same architecture, trained otherwise.**\n\n| training | old | new |\n" in page
    assert "| optimizer.lr | 0.001 | 0.002 |\n" in page
    assert main(["diff", said, none]) == 1
    assert "1,000 steps of 32 x 256 tokens, 8.19 M in all  → none" in capsys.readouterr().out


def test_a_difference_of_both_kinds_shows_both() -> None:
    narrow = blocks.compile_graph(blocks.load(TOP + SAID))
    wide = blocks.compile_graph(blocks.load(TOP.replace("64", "128") + SAID.replace("1k", "2k")))
    found = compare(narrow, wide, 256)
    assert not found.same
    assert [option.name for option in found.training] == ["steps"]
    assert "d_model" in [option.name for option in found.sizes]


def test_explain_says_what_is_written_and_what_is_usual() -> None:
    (section,) = [one for one in explain(blocks.load(TOP + SAID).plan()) if one.topic == "training"]
    text = " ".join(section.texts)
    assert "1,000 steps of 32 x 256 tokens, 8.19 M in all, for next_token." in text
    assert "Written: lr 0.001. Defaults: beta1 0.9;" in text
    assert "Written: warmup 200. Defaults: minimum 0.1." in text
    assert "The recipe says nothing of objective, context, clip, dtype, compile, packing," in text
    assert not [one for one in explain(blocks.load(TOP).plan()) if one.topic == "training"]


def test_a_lock_names_who_brings_what_trains_and_reads_back() -> None:
    registry = Registry.installed()
    plan = blocks.load(TOP + SAID).plan()
    text = lock(plan, registry)
    assert blocks.load(text).plan().training == plan.training


@pytest.mark.parametrize(
    ("said", "good"),
    [
        (SAID, True),
        ("train: {schedule: {step: {at: [0.5, 100]}}, optimizer: sgd, clip: none}\n", True),
        ("train: {steps: 4 * d_model, checkpoint: memory}\n", True),
        ("train: {}\n", True),
        ("train: {step: 3}\n", False),
        ("train: {optimizer: {adamw: {lr: 0}}}\n", False),
        ("train: {optimizer: {adamw: {beta: 0.1}}}\n", False),
        ("train: {optimizer: adam}\n", False),
        ("train: {clip: all}\n", False),
        ("train: {auxiliary: {load_balanc: 1}}\n", False),
        ("train: {auxiliary: {load_balance: -1}}\n", False),
        ("train: {validation: 1}\n", False),
        ("train: {checkpoint: []}\n", False),
    ],
)
def test_the_schema_takes_what_is_right(said: str, good: bool) -> None:
    schema = recipe_schema(Registry.installed(plugins=False))
    from blocks.reader import read

    errors = list(jsonschema.Draft7Validator(schema).iter_errors(read(TOP + said).value))
    assert (errors == []) == good, errors


def test_the_schema_says_what_each_choice_is() -> None:
    schema = recipe_schema(Registry.installed(plugins=False))
    training = schema["definitions"]["Training"]["properties"]
    assert training["auxiliary"]["properties"]["load_balance"]["description"]
    named = [one.get("const") for one in schema["definitions"]["slot.schedule"]["anyOf"]]
    assert {"cosine", "wsd", "noam"} <= set(named)
