"""The `train:` section as written: its keys, their bounds, and what changes it from outside."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import blocks
from blocks import PlannedTraining, Training
from blocks.canonical import canonical
from blocks.same import same_modules, same_plan

TOP = """recipe: r
d_model: 64
vocab_size: 100
blocks: {attention: {mixer: multi_head, n_heads: 4}, ffn: {mixer: mlp}}
model: [{embed: tokens}, {stack: {depth: 4, cycle: [attention, ffn]}}, {head: lm}]
"""


def train(said: str, **options: Any) -> PlannedTraining:
    return blocks.load(f"{TOP}train: {said}\n", **options).plan().train


def findings(text: str, **options: Any) -> list[tuple[str, str]]:
    with pytest.raises(blocks.RecipeError) as raised:
        blocks.load(text, **options).plan()
    return [(found.code, found.message) for found in raised.value.diagnostics]


def test_every_key_of_the_section_has_its_place_in_the_plan() -> None:
    planned = {field.name for field in fields(PlannedTraining)}
    assert planned - {"selectors"} == set(Training.model_fields)


def test_every_key_says_what_it_is_for_and_has_a_default() -> None:
    for name, field in Training.model_fields.items():
        assert field.description, name
        assert not field.is_required(), name


@pytest.mark.parametrize(
    ("said", "code", "message"),
    [
        ("{step: 100}", "B0201", "unknown key 'step'"),
        ("{steps: 0}", "B0302", "steps is 0, and has to be at least 1"),
        ("{steps: -1}", "B0302", "steps is -1, and has to be at least 0"),
        ("{steps: 1.5}", "B0203", "expected a whole number or an expression, found 1.5"),
        ("{steps: 3 / 2}", "B0303", "3 / 2 is not a whole number: 1.5"),
        ("{steps: epochs}", "B0315", "unknown name 'epochs'"),
        ("{batch: 0}", "B0302", "batch is 0, and has to be at least 1"),
        ("{context: 0}", "B0302", "context is 0, and has to be at least 1"),
        ("{eval_every: 0}", "B0302", "eval_every is 0, and has to be at least 1"),
        ("{save_every: []}", "B0203", "expected a whole number or an expression, found an empty list"),
        ("{clip: 0}", "B0302", "clip is 0, and has to be greater than 0"),
        ("{clip: off}", "B0205", "'off' is not one of none"),
        ("{dtype: bfloat61}", "B0205", "'bfloat61' is not one of float32, bfloat16"),
        ("{compile: yes}", "B0203", "expected true or false, found 'yes'"),
        ("{carry: 1}", "B0203", "expected true or false, found 1"),
        ("{ema: 1}", "B0302", "ema is 1, and has to be less than 1"),
        ("{ema: 0}", "B0302", "ema is 0, and has to be greater than 0"),
        ("{packing: document}", "B0205", "'document' is not one of stream, documents, padded"),
        ("{validation: 1}", "B0302", "validation is 1, and has to be less than 1"),
        ("{validation: -0.1}", "B0302", "validation is -0.1, and has to be at least 0"),
        ("{seed: -1}", "B0302", "seed is -1, and has to be at least 0"),
        ("{seed: 0x8000000000000000}", "B0302", f"seed is {2**63}, and has to be less than {2**63}"),
        ("{auxiliary: {load_balanc: 0.1}}", "B0601", "no auxiliary is called 'load_balanc'"),
        ("{auxiliary: {load_balance: -1}}", "B0302", "load_balance is -1, and has to be at least 0"),
        ("{auxiliary: load_balance}", "B0203", "expected a mapping, found 'load_balance'"),
        ("{objective: next_tokens}", "B0601", "no objective is called 'next_tokens'"),
        ("{objective: none}", "B1301", "training needs an objective"),
        ("{optimizer: adam}", "B0601", "no optimizer is called 'adam'"),
        ("{optimizer: {adamw: {beta: 0.9}}}", "B0201", "unknown key 'beta'"),
        ("{optimizer: {adamw: {beta1: 1}}}", "B0302", "beta1 is 1, and has to be less than 1"),
        ("{optimizer: {adamw: {}, sgd: 1}}", "B0203", "expected a mapping, found 1"),
        ("{optimizer: [adamw]}", "B0203", "expected text or a mapping, found a list"),
        ("{schedule: cosin}", "B0601", "no schedule is called 'cosin'"),
        ("{checkpoint: attn}", "B0409", "'attn' selects nothing: no block of this stack is called 'attn'"),
        ("{checkpoint: 'ffn[0:'}", "B0408", "'ffn[0:' is not a selector"),
        ("{checkpoint: []}", "B0302", "checkpoint is an empty list, and has to be at least 1 long"),
        ("nothing", "B0203", "expected a mapping, found 'nothing'"),
    ],
)  # fmt: skip
def test_a_wrong_value_says_what_is_wrong(said: str, code: str, message: str) -> None:
    text = f"{TOP}train: {said}\n"
    with pytest.raises(blocks.RecipeError) as raised:
        blocks.load(text).plan()
    (found,) = raised.value.diagnostics
    assert (found.code, found.message.replace(",", "")) == (code, message.replace(",", ""))
    assert found.help
    assert found.span is not None
    assert found.span.line == 6
    assert found.span.column > len("train:")


def test_everything_that_is_wrong_is_said_at_once() -> None:
    """What is wrong with a value, a name, a number and the model beside it, in one reading."""
    wrong = TOP.replace("n_heads: 4", "n_heads: 3") + (
        "train:\n"
        "  optimizer: {adam: {lr: 1}}\n"
        "  schedule: {cosine: {warm_up: 10}}\n"
        "  steps: 100\n"
        "  dtype: float16\n"
        "  batch: 10\n"
        "  accumulate: 3\n"
    )
    codes = [code for code, _ in findings(wrong)]
    assert sorted(codes) == ["B0201", "B0205", "B0307", "B0601", "B1302"]
    fitting = (
        TOP + "train: {checkpoint: [attn, 'ffn[9]'], auxiliary: {load_balance: 1}, carry: true, context: 0}\n"
    )
    assert sorted(code for code, _ in findings(fitting)) == ["B0302", "B0409", "B0409", "B1306", "B1308"]


def test_numbers_may_be_worked_out() -> None:
    made = train("{steps: 10k, batch: 4 * ranks, context: d_model, accumulate: ranks}", set={"let.ranks": 8})
    assert (made.steps, made.batch, made.context, made.accumulate, made.rows) == (10_000, 32, 64, 8, 4)


def test_a_checkpoint_later_than_the_end_is_no_mistake() -> None:
    assert train("{steps: 10, save_every: 1000, eval_every: 1000}").save_every == 1000


def test_the_section_is_no_part_of_the_architecture() -> None:
    one, other = (blocks.load(f"{TOP}train: {{steps: {steps}}}\n").plan() for steps in (10, 20))
    none = blocks.load(TOP).plan()
    for a, b in ((one, other), (one, none)):
        assert same_plan(a, b)
        assert same_modules(a, b)
    assert one.train != other.train


def test_it_is_changed_from_outside() -> None:
    settings = {"train.steps": 100, "train.optimizer.adamw.lr": 3e-4, "train.clip": "none", "train.ema": 0.99}
    made = train("{steps: 10, optimizer: {adamw: {beta2: 0.9}}}", set=settings)
    assert (made.steps, made.clip, made.ema) == (100, None, 0.99)
    assert made.optimizer.options()["lr"] == 3e-4
    assert made.optimizer.options()["beta2"] == 0.9  # what was written stays
    assert blocks.load(TOP, set=["train.optimizer.adamw.lr=3e-4"]).plan().train.optimizer.lr == 3e-4


def test_another_choice_takes_the_place_of_the_first_with_its_options() -> None:
    made = train(
        "{schedule: {cosine: {warmup: 7, minimum: 0.5}}}", set={"train.schedule.linear.minimum": 0.1}
    )
    assert made.schedule.model_dump() == {"warmup": 0.01, "minimum": 0.1}
    assert train("{optimizer: {adamw: {lr: 1}}}", set={"train.optimizer": "sgd"}).optimizer.name == "sgd"


def test_null_takes_a_key_out() -> None:
    assert train("{ema: 0.9, clip: 3}", set={"train.ema": None, "train.clip": None}).ema is None
    assert blocks.load(TOP + "train: {steps: 3}\n", set={"train": None}).plan().training is None


def test_a_misspelt_path_is_refused() -> None:
    assert findings(f"{TOP}train: {{steps: 3, optimizer: sgd}}\n", set=["train.optimiser.sgd.lr=1"]) == [
        ("B0118", "there is no 'optimiser' in this recipe")
    ]
    assert findings(TOP, set=["train.optimizer.adamw.lrr=1"]) == [("B0201", "unknown key 'lrr'")]


def test_a_recipe_that_extends_another_says_what_it_does_otherwise(tmp_path: Any) -> None:
    base = (
        "train:\n  steps: 10\n  optimizer: {adamw: {lr: 1, beta1: 0.8}}\n  schedule: {cosine: {warmup: 2}}\n"
    )
    (tmp_path / "base.yaml").write_text(TOP + base)
    (tmp_path / "child.yaml").write_text(
        "recipe: child\nextends: base.yaml\n"
        "train: {steps: 20, optimizer: {adamw: {lr: 2}}, schedule: {linear: {minimum: 0.5}}}\n"
    )
    made = blocks.load(tmp_path / "child.yaml").plan().train
    assert made.steps == 20
    assert made.optimizer.options()["lr"] == 2
    assert made.optimizer.options()["beta1"] == 0.8
    assert made.schedule.model_dump() == {"warmup": 0.01, "minimum": 0.5}
    (tmp_path / "none.yaml").write_text("recipe: none\nextends: base.yaml\ntrain: null\n")
    assert blocks.load(tmp_path / "none.yaml").plan().training is None


@pytest.mark.parametrize(
    "said",
    [
        "{}",
        "{steps: 3k, clip: none, ema: 0.999, compile: true, dtype: bfloat16, seed: 7, checkpoint: 'layers[0:2]'}",
        "{optimizer: {sgd: {nesterov: true}}, schedule: {step: {every: 500}}, checkpoint: [ffn, 'attention[-1]']}",
        "{schedule: noam, optimizer: {adamw: {lr: 1, beta2: 0.98, eps: 1e-9}}, steps: 100k, packing: documents}",
        "{schedule: step, batch: 12, accumulate: 4, validation: 0, eval_every: 1, save_every: 2}",
    ],
)
def test_the_canonical_form_reads_back_to_itself(said: str) -> None:
    plan = blocks.load(f"{TOP}train: {said}\n").plan()
    text = canonical(plan)
    again = blocks.load(text).plan()
    assert again.training == plan.training
    assert canonical(again) == text


def test_the_canonical_form_of_a_sentence_keeps_it() -> None:
    said = "recipe: r\nd_model: 64\nvocab_size: 100\ndepth: 4\nmodel: Transformer, pre-norm, RoPE\ntrain: {steps: 7}\n"
    plan = blocks.load(said).plan()
    again = blocks.load(canonical(plan)).plan()
    assert again.training == plan.training
    assert plan.train.steps == 7


def options(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


SHARES = st.floats(1e-4, 0.4)
STEPS = SHARES | st.integers(0, 40)
SCHEDULES = st.one_of(
    st.sampled_from(["constant", "cosine", "linear", "wsd", "inverse_sqrt", "step"]),
    options(warmup=STEPS, minimum=st.floats(0, 1)).map(lambda said: {"cosine": said}),
    options(warmup=STEPS, decay=STEPS, shape=st.sampled_from(["linear", "sqrt"])).map(
        lambda said: {"wsd": said}
    ),
    st.lists(st.integers(1, 100), min_size=1, max_size=5, unique=True).map(
        lambda said: {"step": {"at": sorted(said)}}
    ),
    options(every=st.integers(1, 100), gamma=st.floats(0.01, 1)).map(lambda said: {"step": said}),
)
OPTIMIZERS = st.one_of(
    st.sampled_from(["adamw", "sgd"]),
    options(lr=st.floats(1e-9, 10), beta1=st.floats(0, 0.999), eps=st.floats(1e-30, 1), decay_embeddings=st.booleans())
    .map(lambda said: {"adamw": said}),
    options(lr=st.floats(1e-9, 10), momentum=st.floats(0.1, 0.9), nesterov=st.booleans())
    .map(lambda said: {"sgd": said}),
)  # fmt: skip
SECTIONS = options(
    objective=st.just("next_token")
    | options(smoothing=st.floats(0, 0.9)).map(lambda said: {"next_token": said}),
    optimizer=OPTIMIZERS,
    schedule=SCHEDULES,
    steps=st.integers(100, 10**12),
    batch=st.integers(1, 100).map(lambda parts: 12 * parts),
    context=st.integers(1, 10**6),
    accumulate=st.sampled_from([1, 2, 3, 4, 6, 12]),
    clip=st.just("none") | st.floats(1e-6, 1e6),
    dtype=st.sampled_from(["float32", "bfloat16"]),
    checkpoint=st.sampled_from(["ffn", "layers", "attention[-1]", "layers[1:3]", ["ffn[0]", "attention"]]),
    compile=st.booleans(),
    ema=st.floats(1e-6, 1 - 1e-6),
    packing=st.sampled_from(["stream", "documents", "padded"]),
    validation=st.floats(0, 0.99),
    eval_every=st.integers(1, 10**12),
    save_every=st.integers(1, 10**12),
    seed=st.integers(0, 2**63 - 1),
)


@settings(max_examples=60, deadline=None)
@given(said=SECTIONS)
def test_any_section_is_read_back_from_its_canonical_form(said: dict[str, Any]) -> None:
    if "accumulate" in said and "batch" not in said:
        said["batch"] = 12
    plan = blocks.load(f"{TOP}train: {json.dumps(said)}\n").plan()
    text = canonical(plan)
    again = blocks.load(text).plan()
    assert again.training == plan.training
    assert canonical(again) == text
    for key, value in said.items():
        made = getattr(plan.train, key)
        if not isinstance(value, dict | str | list) or key == "dtype":
            assert made == value
