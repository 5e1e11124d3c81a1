"""What a training step keeps: the published formula, and what autograd really holds on a CPU."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import blocks
from blocks_compiler.activations import activations

PAGE = Path(__file__).parents[3] / "docs" / "guide" / "memory.md"
GPT = """
recipe: gpt
d_model: 64
vocab_size: 40
blocks: {attention: {mixer: multi_head, n_heads: 4}, ffn: {mixer: mlp}}
model:
  - embed: tokens
  - stack: {layers: [attention, ffn], norm: layernorm, residual: pre}
"""


def test_a_layer_keeps_what_korthikanti_counts_without_dropout_and_scores() -> None:
    """arXiv:2205.05198, equation 1: s b h (34 + 5 a s / h), of which 2 are masks of dropout."""
    found = activations(blocks.compile_graph(blocks.load(GPT)), 128, 2)
    h, s = 64, 128
    attention, ffn = found["layers.0"], found["layers.1"]
    assert attention.total() == (11 - 1 + 2) * s * h  # less a mask, and a layer norm
    assert ffn.total() == (19 - 1 + 2) * s * h
    for tensor in (2, 4):  # equation 2: what is not cut is 10 less the masks
        assert attention.total(tensor) + ffn.total(tensor) == s * h * (8 + 24 // tensor)
    assert attention.start == ffn.start == 2 * s * h


def held(name: str, tokens: int) -> int:
    """Bytes of one row that autograd holds after the forward pass, parameters aside."""
    model: Any = blocks.build(name, kernels="reference")
    own = {tensor.untyped_storage().data_ptr() for tensor in [*model.parameters(), *model.buffers()]}
    saved: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in own:
            saved[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    ids = torch.zeros(1, tokens, dtype=torch.int64)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = model(ids)
    assert out is not None
    return sum(tensor.untyped_storage().nbytes() for tensor in saved.values())


def table() -> list[tuple[str, float]]:
    """The table of docs/guide/memory.md."""
    rows = re.findall(
        r"^\| ([\w./-]+) \| (\d\.\d\d) \|$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    return [(name, float(ratio)) for name, ratio in rows]


@pytest.mark.parametrize(("name", "ratio"), table())
def test_declared_activations_are_what_autograd_holds(name: str, ratio: float) -> None:
    tokens = 256
    declared = sum(unit.total() for unit in activations(blocks.compile_graph(name), tokens, 4).values())
    assert declared / held(name, tokens) == pytest.approx(ratio, abs=0.02)
