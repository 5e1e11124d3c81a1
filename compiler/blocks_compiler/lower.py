"""Lowering: a plan becomes a block graph, one node a component, in the order of execution."""

from __future__ import annotations

from blocks import BlockGraph, Node, Plan, Port
from blocks.plan import Layer, PlannedStage

TOKENS = Port("tokens", "int64")
STREAM = Port("x")
UPDATE = Port("update")


def lower(plan: Plan) -> BlockGraph:
    """The graph of a plan. Ensures: every stage and every sublayer is a node; shapes are not known yet."""
    graph = BlockGraph(plan=plan)
    at = graph.add(Node("tokens", "input", inputs=(), outputs=(Port("y", "int64"),)))
    for stage in plan.stages:
        if stage.role == "stack":
            for layer in stage.layers:
                at = _block(graph, layer, at)
        else:
            at = graph.add(_stage(stage), at)
    graph.add(Node("output", "output", inputs=(Port("x"),), outputs=()), at)
    return graph


def _stage(stage: PlannedStage) -> Node:
    inputs = (TOKENS,) if stage.role == "embedding" else (STREAM,)
    return Node(stage.path, stage.role, stage.component, inputs, origin=stage.origin)


def _block(graph: BlockGraph, layer: Layer, at: str) -> str:
    """x + mixer(norm(x)) for pre, norm(x + mixer(x)) for post, mixer(norm(x)) without residual."""
    kind, origin = layer.type, layer.type.origin

    def norm(source: str) -> str:
        if kind.norm is None:
            return source
        return graph.add(Node(f"{layer.path}.norm", "norm", kind.norm, layer=layer, origin=origin), source)

    def mixer(source: str) -> str:
        return graph.add(Node(f"{layer.path}.mixer", "mixer", kind.mixer, layer=layer, origin=origin), source)

    def add(stream: str, update: str) -> str:
        node = Node(f"{layer.path}.add", "add", inputs=(STREAM, UPDATE), layer=layer, origin=origin)
        return graph.add(node, stream, update)

    if kind.residual == "pre":
        return add(at, mixer(norm(at)))
    if kind.residual == "post":
        return norm(add(at, mixer(at)))
    return mixer(norm(at))
