"""Infer shapes: every port learns what flows there, and ports that do not meet are reported with both ends.

Requires: a lowered graph. Ensures: every port has a shape over B, T, d_model and vocab_size.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from blocks import BlockGraph, Node, Plan, Port
from blocks.inside import Shape
from blocks.plan import Layer
from blocks.reporting import Reporter

IDS: Shape = ("B", "T")
STREAM: Shape = ("B", "T", "d_model")
NAMES = {IDS: "token ids", STREAM: "the stream"}


def infer_shapes(graph: BlockGraph, reporter: Reporter) -> BlockGraph:
    """The graph with shapes on all ports."""
    plan: Plan = graph.graph["plan"]
    made: dict[str, Shape] = {}
    told: set[tuple[str, Layer | None]] = set()
    for node in graph.walk():
        wanted = _wanted(node)
        wires = graph.sources(node.path)
        given = [made[wires[port.name][0]] for port in node.inputs]
        for port, shape in zip(node.inputs, given, strict=True):
            source = wires[port.name][0]
            if wanted is not None and shape != wanted and (source, node.layer) not in told:
                told.add((source, node.layer))  # the norm and the sum of a block read one stream
                _report(node, graph.node(source), wanted, shape, plan, reporter)
        made[node.path] = _produced(node, given, plan)
        node.inputs = tuple(_port(port, shape) for port, shape in zip(node.inputs, given, strict=True))
        node.outputs = tuple(_port(port, made[node.path]) for port in node.outputs)
    return graph


@cache
def _port(port: Port, shape: Shape) -> Port:
    return replace(port, shape=shape)


def _wanted(node: Node) -> Shape | None:
    if node.role == "embedding":
        return IDS
    return None if node.role in ("input", "output") else STREAM


def _produced(node: Node, given: list[Shape], plan: Plan) -> Shape:
    if node.role == "input":
        return IDS
    if node.role == "output":
        return given[0]
    if node.role == "head":
        size = getattr(node.component, "vocab_size", None)
        return ("B", "T", "vocab_size" if size in (None, plan.sizes.vocab_size) else size)
    return STREAM


def _report(node: Node, source: Node, wanted: Shape, given: Shape, plan: Plan, reporter: Reporter) -> None:
    stage = next(
        (stage for stage in plan.stages if node.layer is not None and node.layer in stage.layers), None
    )
    ends = (str(Port("x", shape=given)), str(Port("x", shape=wanted)))
    reporter.report(
        "B0702",
        f"{source.path} gives [{ends[0]}], {node.path} takes [{ends[1]}]",
        node.origin if stage is None else stage.origin,
        label=f"takes {NAMES.get(wanted, 'other')}",
        related=((source.origin, f"gives [{ends[0]}]"),) if source.origin else (),
        help="the order is embed, position, stack, norm, head",
    )
