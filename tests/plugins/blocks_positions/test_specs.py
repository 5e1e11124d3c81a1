"""Positions: which scaling needs what, and which module runs it."""

from typing import Any

import pytest

import blocks
from blocks import Call, Sizes
from blocks_positions.specs import ALiBi, Learned, Relative, RoPE, Sinusoidal

HEAD = Sizes(d_model=64)
LLAMA3 = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_len": 8192}
YARN = {"factor": 4.0, "original_max_len": 2048}
LONG = {"short_factor": (1.0,) * 32, "long_factor": (2.0,) * 32}


@pytest.mark.parametrize(
    ("rope", "target", "options"),
    [
        (RoPE(), "RoPE", {"theta": 10000.0}),
        (RoPE(rotary_dim=64), "RoPE", {"theta": 10000.0}),
        (RoPE(theta=500000.0, rotary_dim=16), "RoPE", {"theta": 500000.0, "rotary_dim": 16}),
        (RoPE(scaling="linear", factor=2.0), "LinearScaledRoPE", {"theta": 10000.0, "factor": 2.0}),
        (RoPE(interleaved=True), "RoPE", {"theta": 10000.0, "interleaved": True}),
        (RoPE(scaling="dynamic", **YARN), "DynamicRoPE", {"theta": 10000.0, **YARN}),  # type: ignore[arg-type]
        (RoPE(scaling="yarn", **YARN), "YarnRoPE", {"theta": 10000.0, **YARN}),  # type: ignore[arg-type]
        (RoPE(scaling="longrope", **YARN, **LONG), "LongRoPE", {"theta": 10000.0, **YARN, **LONG}),  # type: ignore[arg-type]
        (RoPE(scaling="llama3", **LLAMA3), "Llama3RoPE", {"theta": 10000.0, **LLAMA3}),  # type: ignore[arg-type]
    ],
)
def test_the_module_is_that_of_the_scaling(rope: RoPE, target: str, options: dict[str, Any]) -> None:
    assert not list(rope.check(HEAD))
    assert rope.call(64) == Call(f"blocks_positions.module:{target}", (64,), options)


@pytest.mark.parametrize(
    ("rope", "width", "findings"),
    [
        (RoPE(), 63, [("B0314", "rotary_dim")]),
        (RoPE(rotary_dim=7), 64, [("B0314", "rotary_dim")]),
        (RoPE(rotary_dim=66), 64, [("B0314", "rotary_dim")]),
        (RoPE(rotary_dim=64), 64, []),
        (RoPE(rotary_dim=2), 3, []),
        (RoPE(scaling="linear"), 64, [("B0202", "scaling")]),
        (RoPE(factor=2.0), 64, [("B0312", "factor")]),
        (RoPE(scaling="linear", factor=2.0, original_max_len=8), 64, [("B0312", "original_max_len")]),
        (RoPE(scaling="llama3"), 64, [("B0202", "scaling")] * 4),
        (
            RoPE(scaling="linear", low_freq_factor=1.0), 63,
            [("B0314", "rotary_dim"), ("B0202", "scaling"), ("B0312", "low_freq_factor")],
        ),
        (RoPE(scaling="dynamic", factor=2.0), 64, [("B0202", "scaling")]),
        (RoPE(scaling="dynamic", rotary_dim=2, **YARN), 64, [("B0342", "rotary_dim")]),
        (RoPE(scaling="dynamic", beta_fast=8.0, **YARN), 64, [("B0312", "beta_fast")]),
        (RoPE(scaling="yarn", beta_slow=32.0, **YARN), 64, [("B0337", "beta_slow")]),
        (RoPE(scaling="yarn", theta=1.0, **YARN), 64, [("B0343", "theta")]),
        (RoPE(scaling="yarn", factor=2.0, original_max_len=6), 64, [("B0343", "original_max_len")]),
        (RoPE(scaling="yarn", factor=2.0, original_max_len=7), 64, []),
        (RoPE(scaling="llama3", **{**LLAMA3, "low_freq_factor": 4.0}), 64, [("B0337", "low_freq_factor")]),
        (RoPE(attention_factor=1.0), 64, [("B0312", "attention_factor")]),
        (RoPE(scaling="longrope", **YARN), 64, [("B0202", "scaling")] * 2),
        (RoPE(scaling="longrope", **YARN, **LONG), 62, [("B0348", "short_factor"), ("B0348", "long_factor")]),
        (RoPE(scaling="longrope", rotary_dim=64, **YARN, **LONG), 128, []),
        (RoPE(scaling="longrope", factor=2.0, original_max_len=1, **LONG), 64, [("B0348", "original_max_len")]),
        (
            RoPE(scaling="longrope", factor=2.0, original_max_len=1, attention_factor=1.0, long_after=0, **LONG),
            64, [],
        ),
        (RoPE(long_after=0), 64, [("B0312", "long_after")]),
    ],
)  # fmt: skip
def test_complaints(rope: RoPE, width: int, findings: list[tuple[str, str]]) -> None:
    assert [(found.code, found.field) for found in rope.check(Sizes(width))] == findings


def test_a_missing_option_is_named() -> None:
    (found,) = RoPE(scaling="linear").check(HEAD)
    assert (found.message, found.help) == ("linear scaling needs factor", "add factor")


def test_positions_in_the_stream_count_tokens() -> None:
    learned, waves = Learned(max_len=100).cost(), Sinusoidal().cost()
    assert (learned.parameters(8), waves.parameters(8)) == (800, 0)
    assert learned.state_bytes(1000, 8, 2) == waves.state_bytes(1000, 8, 2) == 8
    assert RoPE().cost().state_bytes(1000, 8, 2) == 0
    assert (RoPE.where, Learned.where, Sinusoidal.where) == ("heads", "stream", "stream")


def test_yarn_says_its_defaults_once_bound() -> None:
    bound = RoPE(scaling="yarn", factor=4.0, original_max_len=2048).bind(HEAD)
    assert (bound.beta_fast, bound.beta_slow) == (32.0, 1.0)
    assert bound.attention_factor == pytest.approx(1.1386294)
    assert (
        RoPE(scaling="yarn", attention_factor=1.0, factor=4.0, original_max_len=9).bind(HEAD).attention_factor
        == 1.0
    )
    assert RoPE().bind(HEAD) == RoPE()


def test_longrope_says_its_defaults_once_bound() -> None:
    bound = RoPE(scaling="longrope", **YARN, **LONG).bind(HEAD)  # type: ignore[arg-type]
    assert bound.attention_factor == pytest.approx(1.0871, abs=1e-4)
    assert bound.long_after == 2048
    none = RoPE(scaling="longrope", attention_factor=1.0, long_after=0, **YARN, **LONG).bind(HEAD)  # type: ignore[arg-type]
    assert (none.attention_factor, none.long_after) == (1.0, 0)


def test_lists_of_a_recipe_are_numbers() -> None:
    recipe = blocks.load(
        """
        recipe: r
        d_model: 32
        vocab_size: 9
        blocks:
          a: {mixer: multi_head, n_heads: 4, position: {rope: {rotary_dim: 4, scaling: longrope, factor: 2,
              original_max_len: 8, short_factor: [1, 1.5], long_factor: [2, 3]}}}
        model: [embed: tokens, stack: {layers: [a]}]
        """
    )
    (layer,) = recipe.plan().layers
    rope = layer.type.mixer.position  # type: ignore[attr-defined]
    assert (rope.short_factor, rope.long_factor) == ((1.0, 1.5), (2.0, 3.0))
    assert hash(rope) == hash(rope.model_copy())


def test_a_bound_says_what_is_common() -> None:
    (found,) = RoPE(scaling="yarn", factor=2.0, original_max_len=99, beta_fast=0.5).check(HEAD)
    assert found.field == "beta_fast"
    assert found.message == "beta_slow = 1 is not below beta_fast = 0.5"
    assert found.help == "yarn interpolates between them; common are 1 and 32"


def test_an_offset_is_rows_of_the_table() -> None:
    learned = Learned(max_len=100, offset=2)
    assert learned.cost().parameters(8) == 816
    assert learned.call(8).kwargs == {"max_len": 100, "offset": 2}


def test_an_odd_stream_has_no_sinusoids() -> None:
    (found,) = Sinusoidal().check(Sizes(7))
    assert (found.code, found.related, found.help) == (
        "B0344", ("d_model",), "use d_model: 8, or learned positions",
    )  # fmt: skip
    assert not list(Sinusoidal().check(Sizes(8)))


def test_positions_in_the_scores_have_the_width_of_the_heads() -> None:
    assert ALiBi.where == Relative.where == "scores"
    assert ALiBi().call(12) == Call("blocks_positions.scores:ALiBi", (12,))
    assert Relative(share="encoder").call(12) == Call(
        "blocks_positions.scores:RelativePositions", (12,),
        {"n_buckets": 32, "max_distance": 128, "bidirectional": False},
    )  # fmt: skip
    assert Relative().cost().parameters(12) == 32 * 12
    assert ALiBi().cost().parameters(12) == 0
    assert (Relative(share="encoder").share_group(), Relative().share_group()) == ("encoder", None)


@pytest.mark.parametrize(
    ("relative", "field"),
    [
        (Relative(n_buckets=1), "n_buckets"),
        (Relative(n_buckets=2, bidirectional=True), "n_buckets"),
        (Relative(n_buckets=33, bidirectional=True), "n_buckets"),
        (Relative(max_distance=16), "max_distance"),
        (Relative(max_distance=8, bidirectional=True), "max_distance"),
        (Relative(max_distance=17), ""),
        (Relative(max_distance=9, bidirectional=True), ""),
        (Relative(n_buckets=4, bidirectional=True), ""),
        (Relative(n_buckets=33), ""),
    ],
)
def test_buckets_that_cannot_be(relative: Relative, field: str) -> None:
    found = [(complaint.code, complaint.field) for complaint in relative.check(Sizes(8))]
    assert found == ([("B0338", field)] if field else [])


MESSAGES = [
    (
        """recipe: r
d_model: 32
vocab_size: 9
blocks:
  a:
    mixer: multi_head
    n_heads: 4
    position: {rope: {scaling: yarn, factor: 2, original_max_len: 99, beta_fast: 0.5}}
model: [embed: tokens, stack: {layers: [a]}]
""",
        """error[B0337]: beta_slow = 1 is not below beta_fast = 0.5
  --> <text>:8:82
8 |     position: {rope: {scaling: yarn, factor: 2, original_max_len: 99, beta_fast: 0.5}}
  |                                                                                  ^^^ nothing lies between the two
  = help: yarn interpolates between them; common are 1 and 32""",
    ),
    (
        """recipe: r
d_model: 32
vocab_size: 9
blocks:
  a:
    mixer: multi_head
    n_heads: 4
    position: {rope: {scaling: yarn, factor: 2, original_max_len: 6}}
model: [embed: tokens, stack: {layers: [a]}]
""",
        """error[B0343]: 6 tokens are too few for a pair of channels to turn beta_slow = 1 times
  --> <text>:8:67
8 |     position: {rope: {scaling: yarn, factor: 2, original_max_len: 6}}
  |                                                                   ^
  = help: YaRN needs an original_max_len of at least 7""",
    ),
    (
        """recipe: r
d_model: 32
vocab_size: 9
blocks:
  a:
    mixer: multi_head
    n_heads: 4
    position: {rope: {scaling: dynamic, factor: 2, original_max_len: 64, rotary_dim: 2}}
model: [embed: tokens, stack: {layers: [a]}]
""",
        """error[B0342]: dynamic scaling slows all pairs of channels but the fastest, and of 2 channels none is left
  --> <text>:8:86
8 |     position: {rope: {scaling: dynamic, factor: 2, original_max_len: 64, rotary_dim: 2}}
  |                                                                                      ^
  = help: rotate at least 4 channels, or use scaling: linear""",
    ),
    (
        """recipe: r
d_model: 32
vocab_size: 9
blocks:
  a:
    mixer: multi_head
    n_heads: 4
    position: {relative: {max_distance: 16}}
model: [embed: tokens, stack: {layers: [a]}]
""",
        """error[B0338]: 16 buckets stand for one distance each, so max_distance = 16 leaves nothing for the others
  --> <text>:8:41
8 |     position: {relative: {max_distance: 16}}
  |                                         ^^
  = help: more than 16; T5 has 128""",
    ),
    (
        """recipe: r
d_model: 32
vocab_size: 9
blocks:
  a:
    mixer: multi_head
    n_heads: 4
    position: {relative: {n_buckets: 31, bidirectional: true}}
model: [embed: tokens, stack: {layers: [a]}]
""",
        """error[B0338]: 31 buckets cannot be shared out evenly between keys before and after the query
  --> <text>:8:38
8 |     position: {relative: {n_buckets: 31, bidirectional: true}}
  |                                      ^^
  = help: an even number from 4 on""",
    ),
    (
        """recipe: r
d_model: 33
vocab_size: 9
model:
  - embed: tokens
  - position: sinusoidal
""",
        """error[B0344]: sinusoids come in pairs of sine and cosine, and d_model = 33 is odd
  --> <text>:6:15
2 | d_model: 33
  |          -- d_model is set here
6 |   - position: sinusoidal
  |               ^^^^^^^^^^
  = help: use d_model: 34, or learned positions""",
    ),
]


@pytest.mark.parametrize(("recipe", "message"), MESSAGES)
def test_a_mistake_is_answered(recipe: str, message: str) -> None:
    with pytest.raises(blocks.RecipeError) as caught:
        blocks.load(recipe).plan()
    assert str(caught.value).rstrip() == message
