"""Positions: which scaling needs what, and which module runs it."""

from typing import Any

import pytest

from blocks import Call, Sizes
from blocks_positions.specs import Learned, RoPE, Sinusoidal

HEAD = Sizes(d_model=64)
LLAMA3 = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_len": 8192}


@pytest.mark.parametrize(
    ("rope", "target", "options"),
    [
        (RoPE(), "RoPE", {"theta": 10000.0}),
        (RoPE(rotary_dim=64), "RoPE", {"theta": 10000.0}),
        (RoPE(theta=500000.0, rotary_dim=16), "RoPE", {"theta": 500000.0, "rotary_dim": 16}),
        (RoPE(scaling="linear", factor=2.0), "LinearScaledRoPE", {"theta": 10000.0, "factor": 2.0}),
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
