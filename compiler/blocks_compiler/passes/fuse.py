"""Fuse: work that reads the same input becomes one operation.

Rules:
1. inside a mixer, parallel linears of one `fuse` group become one: q, k, v -> qkv_proj; gate, up -> gate_up_proj;
2. a residual add and the norm that reads it become one `add_norm` node with two outputs, sum and y, where a kernel
   for `add_rms_norm` was chosen. The reference of that op is the add and the norm themselves, so that without such
   a kernel nothing is gained and the graph stays as it is easier to read.

Requires: kernels chosen. Ensures: parameters and outputs are the same.
"""

from __future__ import annotations

from dataclasses import replace

from blocks import BlockGraph, Inside, Mixer, Node, Port

FUSED_OP = "add_rms_norm"


def fuse(graph: BlockGraph) -> BlockGraph:
    """The graph with both rules applied."""
    return _fuse_residuals(_fuse_inside(graph))


def _fuse_inside(graph: BlockGraph) -> BlockGraph:
    done: dict[int, Inside | None] = {}

    def change(node: Node) -> Node:
        mixer = node.component
        if not isinstance(mixer, Mixer):
            return node
        if id(mixer) not in done:
            inside = mixer.inside()
            done[id(mixer)] = inside.fused() if inside is not None else None
        return replace(node, inside=done[id(mixer)])

    return graph.map(change)


def _fuse_residuals(graph: BlockGraph) -> BlockGraph:
    if FUSED_OP not in graph.graph["kernels"]:
        return graph
    fused: dict[str, str] = {}  # add -> the norm that takes it in
    for node in graph.walk():
        if node.role != "add":
            continue
        norms = [graph.node(reader) for reader in graph.successors(node.path)]
        takers = [n.path for n in norms if n.role == "norm" and FUSED_OP in dict(n.kernels)]
        if len(takers) == 1:
            fused[node.path] = takers[0]
    owners = {norm: add for add, norm in fused.items()}
    result = BlockGraph(**graph.graph)
    for node in graph.walk():
        if node.path in fused:
            continue
        sources = [
            (fused[source], "sum") if source in fused else (source, output)
            for source, output in graph.sources(node.path).values()
        ]
        if node.path in owners:
            add = graph.node(owners[node.path])
            sources = [
                (fused[source], "sum") if source in fused else (source, output)
                for source, output in graph.sources(add.path).values()
            ]
            stream = add.outputs[0].shape
            outputs = (Port("sum", shape=stream), Port("y", shape=stream))
            node = replace(node, role="add_norm", inputs=add.inputs, outputs=outputs)
        result.add(node, *sources)
    return result
