"""Lowering: every stage and sublayer is a node at its path, in the order of execution."""

import networkx as nx
import pytest

import blocks


def test_nodes_stand_at_their_paths_in_order(lowered):
    paths = [node.path for node in lowered(("2 x ", "")).walk()]
    assert paths == [
        "tokens", "embed", "position",
        "layers.0.norm", "layers.0.mixer", "layers.0.add",
        "layers.1.norm", "layers.1.mixer", "layers.1.add",
        "norm", "head", "output",
    ]  # fmt: skip


def test_the_order_is_one_of_the_graph(lowered):
    graph = lowered()
    assert nx.is_directed_acyclic_graph(graph)
    place = {path: i for i, path in enumerate(graph)}
    assert all(place[a] < place[b] for a, b in graph.edges)


@pytest.mark.parametrize(
    ("residual", "wires"),
    [
        ("pre", {"norm": ["position"], "mixer": ["layers.0.norm"], "add": ["position", "layers.0.mixer"]}),
        ("post", {"mixer": ["position"], "add": ["position", "layers.0.mixer"], "norm": ["layers.0.add"]}),
        ("none", {"norm": ["position"], "mixer": ["layers.0.norm"]}),
    ],
)
def test_residuals(lowered, residual, wires):
    graph = lowered(("residual: pre", f"residual: {residual}"), ("2 x [attention, ffn]", "attention"))
    for name, sources in wires.items():
        assert [path for path, _ in graph.sources(f"layers.0.{name}").values()] == sources
    assert f"layers.0.{list(wires)[-1]}" in [path for path, _ in graph.sources("norm").values()]
    assert ("layers.0.add" in graph) == ("add" in wires)


def test_alike_blocks_share_their_components(lowered):
    graph = lowered()
    assert graph.node("layers.0.norm").component is graph.node("layers.2.norm").component
    assert graph.node("layers.0.mixer").component is graph.node("layers.2.mixer").component


def test_the_residual_sum_reads_stream_and_update(lowered):
    sources = lowered().sources("layers.1.add")
    assert sources == {"x": ("layers.0.add", "y"), "update": ("layers.1.mixer", "y")}


def test_a_branch_without_the_norm_reads_the_stream():
    text = """\
recipe: r
d_model: 8
vocab_size: 16
blocks:
  a: {mixer: multi_head, n_heads: 2}
  f: {mixer: mlp, norm: none}
  b: {parallel: [a, f]}
model: [{embed: tokens}, {stack: {layers: b}}]
"""
    graph = blocks.compile_graph(blocks.load(text))
    found = {name: graph.sources(f"layers.0.{name}")["x"][0] for name in ("norm", "a", "f")}
    assert found == {"norm": "embed", "a": "layers.0.norm", "f": "embed"}
