"""Defaults that apply, and the rule that gave a size."""

from __future__ import annotations

from typing import Any

import pytest

from blocks import Call, Mixer
from blocks.diagnostics import PluginError
from blocks_attention.specs import MultiHead
from blocks_compiler.defaults import applies, rule_of

HEAD_DIM = "d_model / n_heads, or 64 where both are free"


def test_a_mask_says_nothing_of_a_memory() -> None:
    mixer = MultiHead(n_heads=4, n_kv_heads=4, head_dim=16)
    assert applies(mixer, "mask", 64)
    assert not applies(mixer.reading(64), "mask", 64)
    assert applies(mixer.reading(64), "qkv_bias", 64)
    assert applies(mixer.reading(64), "head_dim", 64)


class Either(Mixer):
    """It can be built one way alone."""

    fast: bool = False

    def call(self, width: int) -> Call:
        if self.fast:
            raise PluginError.of("B0615", "it cannot be fast")
        return Call("here:There")


def test_what_cannot_be_otherwise_applies() -> None:
    assert applies(Either(), "fast", 64)


@pytest.mark.parametrize(
    ("rule", "value", "written", "expected"),
    [
        (HEAD_DIM, 16, {"n_heads": 4}, "d_model / n_heads"),
        (HEAD_DIM, 64, {}, "64, since n_heads is free as well"),
        (HEAD_DIM, 50, {}, "at most 64, since n_heads is free as well"),
        ("n_heads", 4, {}, "n_heads"),
        ("a, or b", 4, {}, "a, or b"),
        ("what it likes, or 64 where both are free", 4, {}, "what it likes"),
    ],
)
def test_the_half_of_a_rule_that_held(rule: str, value: int, written: dict[str, Any], expected: str) -> None:
    assert rule_of(rule, "head_dim", value, MultiHead(), written) == expected
