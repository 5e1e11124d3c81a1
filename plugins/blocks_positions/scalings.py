"""The scalings of rotary positions: their modules, what each needs and can have, and what can be wrong with it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field

from blocks import Complaint

if TYPE_CHECKING:
    from blocks_positions.specs import RoPE

SCALINGS: Mapping[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "none": ("RoPE", (), ()),
    "linear": ("LinearScaledRoPE", ("factor",), ()),
    "dynamic": ("DynamicRoPE", ("factor", "original_max_len"), ()),
    "yarn": ("YarnRoPE", ("factor", "original_max_len"), ("attention_factor", "beta_fast", "beta_slow")),
    "longrope": (
        "LongRoPE", ("factor", "original_max_len", "short_factor", "long_factor"), ("attention_factor", "long_after"),
    ),
    "llama3": (
        "Llama3RoPE", ("factor", "low_freq_factor", "high_freq_factor", "original_max_len"), (),
    ),
}  # fmt: skip
"""Of each scaling: its class, the options that it needs, and those that it can have."""

SCALING_OPTIONS = (
    "factor", "low_freq_factor", "high_freq_factor", "original_max_len", "attention_factor", "beta_fast", "beta_slow",
    "short_factor", "long_factor", "long_after",
)  # fmt: skip

Factors = Annotated[
    tuple[Annotated[float, Field(gt=0)], ...],
    BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value),
]
"""Numbers above 0, one for each pair of channels; a list in a recipe."""


def bounds(rope: RoPE, rotary: int) -> Iterator[Complaint]:
    """What is wrong among the options of a scaling that has all it needs; `rotary` channels of a head turn."""
    if rope.scaling == "dynamic" and rotary == 2:
        yield Complaint(
            "rotary_dim",
            "dynamic scaling slows all pairs of channels but the fastest, and of 2 channels none is left",
            help="rotate at least 4 channels, or use scaling: linear",
            code="B0342",
        )
    if rope.scaling == "longrope":
        yield from longrope(rope, rotary // 2)
    ordered = {"llama3": ("low_freq_factor", "high_freq_factor"), "yarn": ("beta_slow", "beta_fast")}
    if rope.scaling not in ordered:
        return
    bound = rope.filled()
    (lower, low), (upper, high) = ((name, getattr(bound, name)) for name in ordered[rope.scaling])
    if low >= high:
        yield Complaint(
            upper if getattr(rope, lower) is None else lower,
            f"{lower} = {low:g} is not below {upper} = {high:g}",
            label="nothing lies between the two",
            help=f"{rope.scaling} interpolates between them; common are "
            + ("1 and 4" if rope.scaling == "llama3" else "1 and 32"),
            code="B0337",
            related=(upper,) if getattr(rope, lower) is not None else (),
        )
    elif rope.scaling == "yarn":
        yield from yarn(bound)


def longrope(rope: RoPE, pairs: int) -> Iterator[Complaint]:
    """Lists of another length than there are pairs of channels."""
    for name in ("short_factor", "long_factor"):
        count = len(getattr(rope, name))
        if count != pairs:
            yield Complaint(
                name,
                f"{name} has {count} numbers, and {pairs} pairs of channels turn",
                help=f"{pairs} numbers" + (f", or rotary_dim: {2 * count}" if count else ""),
                code="B0348",
            )
    if rope.original_max_len == 1 and rope.attention_factor is None:
        yield Complaint(
            "original_max_len",
            "the usual attention_factor divides by the logarithm of original_max_len, which is 0",
            help="at least 2, or set attention_factor",
            code="B0348",
        )


def yarn(rope: RoPE) -> Iterator[Complaint]:
    """Fast pairs of channels that cannot be told from slow ones."""
    assert rope.original_max_len is not None
    assert rope.beta_slow is not None
    shortest = math.floor(2 * math.pi * rope.beta_slow) + 1
    if rope.theta <= 1:
        yield Complaint(
            "theta",
            f"YaRN needs a theta above 1: with {rope.theta:g} no pair of channels turns more slowly than another",
            help="10000 is common",
            code="B0343",
        )
    elif rope.original_max_len < shortest:
        yield Complaint(
            "original_max_len",
            f"{rope.original_max_len} tokens are too few for a pair of channels to turn beta_slow = "
            f"{rope.beta_slow:g} times",
            help=f"YaRN needs an original_max_len of at least {shortest}",
            code="B0343",
        )
