"""What the `train:` section comes to: defaults, contexts, selectors of blocks, what a model can and cannot."""

from __future__ import annotations

import pytest

import blocks
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
