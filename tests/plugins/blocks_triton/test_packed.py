"""A model of Triton kernels keeps packed documents apart too: ops have no documents, so those run in plain torch."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

import blocks
from blocks_compiler.backends.module import build_module

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("name", ["hybrid-tiny", "mamba-tiny"])
def test_documents_are_the_documents_alone_whatever_the_kernels(triton_ready: ModuleType, name: str) -> None:
    graph = blocks.compile_graph(name, kernels="triton")
    assert "causal_conv1d" in graph.graph["kernels"]
    fast: Any = build_module(graph)
    plain: Any = build_module(blocks.compile_graph(name, kernels="reference"))
    plain.load_state_dict(fast.state_dict())
    documents = torch.tensor([[1, 1, 1, 2, 0, 3, 3, 3, 3]])
    tokens = torch.arange(9)[None]
    logits, _ = fast(tokens, None, documents)
    torch.testing.assert_close(logits, plain(tokens, None, documents)[0], rtol=1e-5, atol=1e-5)
    for number in (1, 2, 3):
        own = documents[0] == number
        torch.testing.assert_close(logits[:, own], fast(tokens[:, own])[0], rtol=1e-5, atol=1e-5)
