"""Fuse: work that reads the same input becomes one operation.

Rules:
1. inside a mixer, parallel linears of one `fuse` group become one: q, k, v -> qkv_proj; gate, up -> gate_up_proj;
2. a residual add and the norm that reads it become one `add_norm` node with two outputs, sum and y, where a kernel
   for `add_rms_norm` was chosen. The reference of that op is the add and the norm themselves, so that without such
   a kernel nothing is gained and the graph stays as it is easier to read.

Requires: kernels chosen. Ensures: parameters and outputs are the same.
"""

from __future__ import annotations

from blocks import BlockGraph, Inside, Mixer, Port

FUSED_OP = "add_rms_norm"


def fuse(graph: BlockGraph) -> BlockGraph:
    """The graph with both rules applied."""
    return _fuse_residuals(_fuse_inside(graph))


def _fuse_inside(graph: BlockGraph) -> BlockGraph:
    done: dict[int, Inside | None] = {}
    for node in graph.walk():
        mixer = node.component
        if not isinstance(mixer, Mixer):
            continue
        if id(mixer) not in done:
            inside = mixer.inside()
            done[id(mixer)] = inside.fused() if inside is not None else None
        node.inside = done[id(mixer)]
    return graph


def _fuse_residuals(graph: BlockGraph) -> BlockGraph:
    if FUSED_OP not in graph.graph["kernels"]:
        return graph
    taken: dict[str, str] = {}  # add -> the norm that takes it in
    for node in graph.walk():
        if node.role == "add":
            readers = [graph.node(path) for path in graph.successors(node.path)]
            norms = [n.path for n in readers if n.role == "norm" and FUSED_OP in dict(n.kernels)]
            if len(norms) == 1:
                taken[node.path] = norms[0]
    adds = {norm: add for add, norm in taken.items()}
    result = BlockGraph(**graph.graph)
    for node in graph.walk():
        if node.path in taken:
            continue
        wires = graph.sources(adds.get(node.path, node.path))
        if node.path in adds:
            add = graph.node(adds[node.path])
            shape = add.outputs[0].shape
            node.role, node.inputs = "add_norm", add.inputs
            node.outputs = (Port("sum", shape=shape), Port("y", shape=shape))
        sources = [wires[port.name] for port in node.inputs]
        result.add(
            node, *((taken[path], "sum") if path in taken else (path, output) for path, output in sources)
        )
    return result
