"""Inputs besides tokens: an argument of the model for each, a node of the graph, in one stream and in several."""

import inspect

import pytest
import torch

import blocks
from blocks_compiler.backends.diagram import diagram

ONE = """recipe: typed
d_model: 16
vocab_size: 30
blocks:
  attention: {mixer: multi_head, n_heads: 2, position: rope}
  ffn: {mixer: mlp}
model:
  - embed: {tokens: {n_types: 3}}
  - stack: {depth: 4, cycle: [attention, ffn]}
  - norm: rmsnorm
  - head: lm
"""
TWO = """recipe: typed-twice
d_model: 16
vocab_size: 30
blocks:
  reader: {mixer: multi_head, n_heads: 2, mask: bidirectional}
  writer: {mixer: multi_head, n_heads: 2}
  cross: {mixer: multi_head, n_heads: 2, memory: types}
model:
  types:
    - embed: {tokens: {n_types: 2}}
    - stack: {layers: reader}
  writing:
    - embed: {tokens: {n_types: 2}}
    - stack: {layers: [writer, cross]}
    - head: lm
"""


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def arguments(model: torch.nn.Module) -> list[str]:
    return list(inspect.signature(model.forward).parameters)


def test_types_are_the_last_argument_and_may_be_left_out() -> None:
    model = blocks.build(ONE)
    assert arguments(model) == ["tokens", "state", "mask", "types"]
    tokens = torch.randint(30, (2, 9))
    types = torch.randint(1, 3, (2, 9))
    bare, zero, typed = model(tokens)[0], model(tokens, types=types * 0)[0], model(tokens, types=types)[0]
    torch.testing.assert_close(bare, zero)
    assert (bare - typed).abs().max() > 1e-3
    plain = blocks.build(ONE, seed=0)
    with torch.no_grad():
        plain.embed.types.weight.zero_()
    torch.testing.assert_close(plain(tokens)[0], plain(tokens, types=types)[0])


def test_a_model_without_types_takes_none() -> None:
    model = blocks.build(ONE.replace("{tokens: {n_types: 3}}", "tokens"))
    assert arguments(model) == ["tokens", "state", "mask"]
    with pytest.raises(TypeError, match="types"):
        model(torch.zeros(1, 2, dtype=torch.int64), types=torch.zeros(1, 2, dtype=torch.int64))


@torch.no_grad()
@pytest.mark.parametrize("sizes", [(1,) * 9, (4, 1, 4), (8, 1)])
def test_a_split_takes_the_types_of_its_tokens(sizes: tuple[int, ...]) -> None:
    model = blocks.build(ONE, dtype="float64")
    tokens, types = torch.randint(30, (3, 9)), torch.randint(3, (3, 9))
    mask = torch.arange(9) >= torch.tensor([[0], [2], [5]])
    whole, _ = model(tokens, None, mask, types=types)
    parts, state = [], None
    for t, k, m in zip(*(each.split(list(sizes), 1) for each in (tokens, types, mask)), strict=True):
        y, state = model(t, state, m, types=k)
        parts.append(y)
    torch.testing.assert_close(torch.cat(parts, 1)[mask], whole[mask], rtol=1e-10, atol=1e-10)


@torch.no_grad()
def test_streams_have_types_of_their_own() -> None:
    model = blocks.build(TWO, dtype="float64")
    assert arguments(model) == [
        "source", "target", "state", "source_mask", "target_mask", "source_types", "target_types",
    ]  # fmt: skip
    source, target = torch.randint(30, (2, 6)), torch.randint(30, (2, 5))
    a, b = torch.randint(2, (2, 6)), torch.randint(2, (2, 5))
    a[:, 0] = b[:, 0] = 1
    whole, _ = model(source, target, source_types=a, target_types=b)
    for others in ({}, {"source_types": a}, {"target_types": b}):
        assert (model(source, target, **others)[0] - whole).abs().max() > 1e-7  # float64
    first, state = model(source, target[:, :2], source_types=a, target_types=b[:, :2])
    parts = [first]
    for at in range(2, 5):
        y, state = model(None, target[:, at : at + 1], state, target_types=b[:, at : at + 1])
        parts.append(y)
    torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=1e-10, atol=1e-10)


def test_an_input_is_a_node() -> None:
    graph = blocks.compile_graph(ONE)
    types, embed = graph.node("types"), graph.node("embed")
    assert (types.role, types.outputs[0].dtype, str(types.outputs[0])) == ("input", "int64", "B T")
    assert [(port.name, str(port)) for port in embed.inputs] == [("tokens", "B T"), ("types", "B T")]
    assert graph.sources("embed") == {"tokens": ("tokens", "y"), "types": ("types", "y")}
    text = diagram(graph)
    assert "types -> embed" in text
    assert "<I>types</I>" in text
    both = diagram(blocks.compile_graph(TWO))
    assert '"types.types" -> "types.embed"' in both
    assert '"writing.types" -> "writing.embed"' in both


def test_types_run_compiled_and_exported() -> None:
    model = blocks.build(ONE).eval()
    tokens, types = torch.randint(30, (2, 9)), torch.randint(3, (2, 9))
    length = torch.export.Dim("T", min=2, max=64)
    shapes = {"tokens": {1: length}, "types": {1: length}}
    exported = torch.export.export(model, (tokens,), {"types": types}, dynamic_shapes=shapes)
    longer = torch.randint(30, (2, 13)), torch.randint(3, (2, 13))
    expected, _ = model(longer[0], types=longer[1])
    torch.testing.assert_close(exported.module()(longer[0], types=longer[1])[0], expected)
    torch.testing.assert_close(
        torch.compile(model, backend="eager", fullgraph=True)(tokens, types=types)[0],
        model(tokens, types=types)[0],
    )
