"""Small models with weights that differ enough for their texts to, and the tokenizer of bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import blocks

TINY = """
recipe: tiny
d_model: 16
vocab_size: 4
blocks:
  attention: {mixer: multi_head, n_heads: 2, position: rope}
  ffn: {mixer: mlp, d_ff: 32}
model:
  - embed: tokens
  - stack: {depth: 2, cycle: [attention, ffn]}
  - norm: layernorm
  - head: lm
"""


def stirred(model: nn.Module, seed: int = 0, by: float = 0.1) -> nn.Module:
    """The model, every weight moved by noise."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator).to(parameter.dtype), alpha=by)
    return model


@pytest.fixture(scope="session")
def make() -> Callable[..., nn.Module]:
    """Build a recipe, or the language model of 4 ids, in fp32 or another dtype, with settings."""
    made: dict[Any, nn.Module] = {}

    def build(recipe: str = TINY, *, dtype: str = "float32", by: float = 0.1, **set: Any) -> nn.Module:
        key = (recipe, dtype, by, tuple(sorted(set.items())))
        if key not in made:
            made[key] = stirred(blocks.build(blocks.load(recipe, set=set), dtype=dtype), by=by)
        return made[key]

    return build


@pytest.fixture(scope="session")
def coder() -> Any:
    """Bytes as ids; byte 0 ends a text."""
    return blocks.Registry.installed(plugins=False).find("tokenizer", "byte").load()().open(None)
