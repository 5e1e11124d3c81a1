"""A small recipe with every kind of node, and its graph at any stage of the pipeline."""

from collections.abc import Callable

import pytest

import blocks
from blocks import BlockGraph, Plan
from blocks_compiler.lower import lower

RECIPE = """
recipe: small
d_model: 16
vocab_size: 32
blocks:
  attention: {mixer: multi_head, n_heads: 2}
  ffn: {mixer: gated_mlp, d_ff: 24}
model:
  - embed: tokens
  - position: {learned: {max_len: 64}}
  - stack: {layers: "2 x [attention, ffn]", norm: rmsnorm, residual: pre}
  - norm: rmsnorm
  - head: {lm: {tied: true}}
"""


@pytest.fixture
def planned() -> Callable[..., Plan]:
    """The plan of the small recipe, some of its text replaced."""

    def make(*changes: tuple[str, str]) -> Plan:
        text = RECIPE
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        return blocks.load(text).plan()

    return make


@pytest.fixture
def lowered(planned) -> Callable[..., BlockGraph]:
    """The graph of the small recipe before any pass."""
    return lambda *changes: lower(planned(*changes))
