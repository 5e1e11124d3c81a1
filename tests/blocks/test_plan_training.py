"""What the `train:` section comes to: defaults, contexts, selectors of blocks, what a model can and cannot."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import Field

import blocks
from blocks import Complaint, Objective, Optimizer, Plan, Register, Registry, Schedule, hookimpl
from blocks.training import USUAL_CONTEXT, Training

TOP = "recipe: r\nd_model: 64\nvocab_size: 100\n"
FFN = "blocks: {ffn: {mixer: mlp}}\n"
TWO = """blocks: {ffn: {mixer: mlp}, attention: {mixer: multi_head, n_heads: 4}}
model:
  - embed: tokens
  - stack: {name: early, layers: "2 x [attention, ffn]"}
  - stack: {name: late, layers: "3 x [attention, ffn]"}
  - head: lm
"""


def stages(*written: str) -> str:
    return TOP + FFN + "model:\n" + "".join(f"  - {one}\n" for one in written)


def test_a_recipe_that_says_nothing_has_every_default() -> None:
    plan = blocks.load(stages("embed: tokens", "stack: {layers: [ffn]}", "head: lm")).plan()
    assert plan.training is None
    made = plan.train
    assert made is plan.train
    assert (made.objective.name, made.optimizer.name, made.schedule.name) == ("next_token", "adamw", "cosine")
    for name, field in Training.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if name not in ("objective", "optimizer", "schedule", "context", "checkpoint", "auxiliary"):
            assert getattr(made, name) == default, name
    assert (made.context, made.checkpoint, made.auxiliary) == (USUAL_CONTEXT, (), ())


def test_an_empty_section_is_the_defaults_as_well() -> None:
    text = stages("embed: tokens", "stack: {layers: [ffn]}", "head: lm")
    assert blocks.load(text + "train: {}\n").plan().train == blocks.load(text).plan().train


def test_defaults_that_do_not_fit_are_an_error_only_when_they_are_asked_for() -> None:
    plan = blocks.load(stages("embed: tokens", "stack: {layers: [ffn]}")).plan()
    with pytest.raises(blocks.RecipeError) as raised:
        _ = plan.train
    assert [found.code for found in raised.value.diagnostics][:1]
    assert raised.value.diagnostics[0].help


def test_rows_are_as_long_as_the_positions_where_those_are_few() -> None:
    text = stages("embed: tokens", "position: {learned: {max_len: 32}}", "stack: {layers: [ffn]}", "head: lm")
    assert blocks.load(text).plan().train.context == 32
    assert blocks.load(text + "train: {context: 16}\n").plan().train.context == 16
    assert blocks.load(text.replace("32", "4096")).plan().train.context == USUAL_CONTEXT
    with pytest.raises(blocks.RecipeError, match="rows of 33 tokens are longer than the 32 that learned has"):
        blocks.load(text + "train: {context: 33}\n").plan()


@pytest.mark.parametrize(
    ("selectors", "expected"),
    [
        ("attention", ["early.0", "early.2", "late.0", "late.2", "late.4"]),
        ("late", ["late.0", "late.1", "late.2", "late.3", "late.4", "late.5"]),
        ("early[1:3]", ["early.1", "early.2"]),
        ("'attention[2]'", ["late.4"]),
        ("[late[0], 'ffn[-1]', late[0]]", None),
        ("['late[0]', 'ffn[-1]', 'late[0]']", ["early.3", "late.0", "late.5"]),
    ],
)
def test_selectors_name_blocks_in_every_stack(selectors: str, expected: list[str] | None) -> None:
    text = f"{TOP}{TWO}train:\n  checkpoint: {selectors}\n"
    if expected is None:
        with pytest.raises(blocks.RecipeError):
            blocks.load(text).plan()
        return
    assert list(blocks.load(text).plan().train.checkpoint) == expected


def test_a_selector_may_begin_with_the_stream() -> None:
    streams = """blocks: {ffn: {mixer: mlp}, look: {mixer: multi_head, n_heads: 4, memory: encoder}}
model:
  encoder: [{embed: tokens}, {stack: {layers: 3 x ffn}}]
  decoder: [{embed: tokens}, {stack: {layers: [ffn, look]}}, {head: lm}]
"""
    text = TOP + streams + "train: {objective: anything, checkpoint: %s}\n"
    for selector, expected in (
        ("encoder.layers", ["encoder.layers.0", "encoder.layers.1", "encoder.layers.2"]),
        ("'decoder.layers[0]'", ["decoder.layers.0"]),
        ("'layers[1:]'", ["encoder.layers.1", "encoder.layers.2", "decoder.layers.1"]),
        ("look", ["decoder.layers.1"]),
    ):
        assert list(blocks.load(text % selector).plan(registry=STRANGE).train.checkpoint) == expected


def test_a_model_without_blocks_has_none_to_compute_again() -> None:
    text = stages("embed: tokens", "head: lm") + "train: {checkpoint: ffn}\n"
    with pytest.raises(blocks.RecipeError, match="'ffn' selects nothing: the model has no blocks"):
        blocks.load(text).plan()


def test_the_rate_is_that_of_the_optimizer_times_the_schedules_factor() -> None:
    text = TOP + TWO + "train: {steps: 100, optimizer: {sgd: {lr: 0.5}}, schedule: {linear: {warmup: 0}}}\n"
    made = blocks.load(text).plan().train
    assert [made.rate(step) for step in (0, 50, 99)] == pytest.approx([0.5, 0.25, 0.005])


def carried(block: str) -> str:
    return f"{TOP}blocks: {{one: {block}}}\nmodel: [{{embed: tokens}}, {{stack: {{layers: [one]}}}}, {{head: lm}}]\n"


@pytest.mark.parametrize(
    ("block", "why"),
    [
        ("{mixer: gru}", None),
        ("{mixer: mamba2}", None),
        ("{mixer: mlp}", None),
        ("{mixer: multi_head, n_heads: 4, window: 8}", None),
        ("{mixer: multi_head, n_heads: 4}", "it grows with every token"),
        ("{mixer: multi_head, n_heads: 4, mask: bidirectional}", "it keeps none"),
    ],
)
def test_a_state_is_carried_where_it_stays_as_large_as_it_is(block: str, why: str | None) -> None:
    text = carried(block) + "train: {carry: true}\n"
    if why is None:
        assert blocks.load(text).plan().train.carry
        return
    with pytest.raises(blocks.RecipeError) as raised:
        blocks.load(text).plan()
    assert f"B1306 {why}" in [f"{d.code} {d.message.rpartition(': ')[2]}" for d in raised.value.diagnostics]


class Halving(Schedule):
    """Half the rate after every so many steps, as a stranger's plugin has it."""

    every: int = Field(1000, gt=0, description="steps at the same rate")

    def factor(self, step: int, steps: int) -> float:
        return 0.5 ** (step // self.every)

    def check_steps(self, steps: int) -> Iterator[Complaint]:
        if self.every > steps:
            yield Complaint(
                "every", f"{self.every} steps are more than {steps}", help="fewer", related=("steps",)
            )


class Broken(Schedule):
    def factor(self, step: int, steps: int) -> float:
        return float("nan")


class Plain(Optimizer):
    """What a plugin brings is declared, and made when training begins."""

    module = "stranger.module:plain"


class Picky(Objective):
    module = "stranger.module:Picky"

    def check_plan(self, plan: Plan) -> Iterator[Complaint]:
        if len(plan.layers) < 2:
            yield Complaint("", "one block is too few", help="two", code="B1308")


class Anything(Objective):
    module = "stranger.module:Anything"


class Stranger:
    @hookimpl
    def register_schedules(self, register: Register) -> None:
        register("halving", Halving)
        register("broken", Broken)
        register("picky", Picky)

    @hookimpl
    def register_optimizers(self, register: Register) -> None:
        register("plain", Plain)

    @hookimpl
    def register_objectives(self, register: Register) -> None:
        register("picky", Picky)
        register("anything", Anything)


STRANGE = Registry.installed(plugins=False).with_plugin(Stranger())


def test_a_plugin_brings_schedules_optimizers_and_objectives() -> None:
    said = (
        "train: {steps: 10, schedule: {halving: {every: 4}}, optimizer: {plain: {lr: 8}}, objective: picky}\n"
    )
    made = blocks.load(TOP + TWO + said).plan(registry=STRANGE).train
    assert [made.rate(step) for step in (0, 3, 4, 8)] == [8, 8, 4, 2]
    assert (made.optimizer.options(), made.objective.name) == ({"lr": 8}, "picky")


def test_what_a_plugin_complains_of_has_its_place() -> None:
    alone = stages("embed: tokens", "stack: {layers: [ffn]}", "head: lm")
    text = alone + "train:\n  objective: picky\n  schedule: halving\n  steps: 10\n"
    with pytest.raises(blocks.RecipeError) as raised:
        blocks.load(text).plan(registry=STRANGE)
    objective, schedule = raised.value.diagnostics
    assert (objective.message, objective.span and objective.span.line) == ("one block is too few", 10)
    assert (schedule.message, schedule.span and schedule.span.line) == ("1000 steps are more than 10", 11)
    assert [note.text for note in schedule.notes] == ["steps is set here"]


def test_a_plugin_that_gives_no_number_is_named() -> None:
    made = blocks.load(TOP + TWO + "train: {schedule: broken}\n").plan(registry=STRANGE).train
    with pytest.raises(
        blocks.PluginError, match=r"`factor` of schedule 'broken' of plugin 'Stranger' returns nan"
    ):
        made.rate(0)
    with pytest.raises(blocks.RecipeError, match="schedule 'picky', and it is not a schedule"):
        blocks.load(TOP + TWO + "train: {schedule: picky}\n").plan(registry=STRANGE)
