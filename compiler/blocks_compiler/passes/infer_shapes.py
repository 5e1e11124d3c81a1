"""Infer shapes: every port learns what flows there, and ports that do not meet are reported with both ends.

Requires: a lowered graph, whose inputs have shapes. Ensures: every port has a shape over B, T, d_model and
vocab_size; T is a number where the input fixes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from blocks import BlockGraph, Embedding, Head, Node, Plan, Port
from blocks.cost import Size
from blocks.inside import Shape
from blocks.plan import Layer
from blocks.reporting import Reporter

READ = ("x", "update")
"""Ports that read the stream; the others read an input, a memory, a branch, or keys and values."""
ADVICE = {
    ("input", "stream"): "begin with `- embed: tokens`",
    ("output", "stream"): "a head comes last; several outputs stand under `heads:`",
    ("stream", "input"): "one `embed` at the beginning makes the stream of the {input}",
    ("output", "input"): "the order is embed, position, stack, norm, head",
}


def infer_shapes(graph: BlockGraph, reporter: Reporter) -> BlockGraph:
    """The graph with shapes on all ports."""
    plan: Plan = graph.graph["plan"]
    made: dict[str, Shape] = {}
    told: set[tuple[str, Layer | None]] = set()
    for node in graph.walk():
        wires = graph.sources(node.path)
        given = [made[wires[port.name][0]] for port in node.inputs]
        wanted = _wanted(node)
        for port, shape in zip(node.inputs, given, strict=True):
            source = wires[port.name][0]
            read = wanted == "input" or port.name in READ
            wrong = wanted is not None and read and _what(graph.node(source)) != wanted
            if wrong and (source, node.layer) not in told:
                told.add((source, node.layer))  # the norm and the sum of a block read one stream
                _report(node, graph.node(source), wanted or "", shape, plan, reporter)
        shape = made[node.path] = _produced(node, given, plan)
        node.inputs = _shaped(node.inputs, tuple(given))
        node.outputs = _shaped(node.outputs, (shape,) * len(node.outputs))
    return graph


@cache
def _shaped(ports: tuple[Port, ...], shapes: tuple[Shape, ...]) -> tuple[Port, ...]:
    """The ports with their shapes. Thousands of blocks have the same ones."""
    return tuple(replace(port, shape=shape) for port, shape in zip(ports, shapes, strict=True))


def _wanted(node: Node) -> str | None:
    if node.role == "embedding":
        return "input"
    return None if node.role in ("input", "output") else "stream"


def _what(node: Node) -> str:
    """What a node gives: an input of the model, the stream, or an output."""
    return {"input": "input", "head": "output"}.get(node.role, "stream")


def _produced(node: Node, given: list[Shape], plan: Plan) -> Shape:
    if node.role == "input":
        assert node.outputs[0].shape is not None, f"the input {node.path} has no shape"
        return node.outputs[0].shape
    if node.role == "output":
        return given[0]
    tokens = given[0][1] if len(given[0]) > 1 else node.length
    if isinstance(node.component, Embedding):
        tokens = node.component.length() or node.length
    width = node.width
    if node.component is not None:
        width = node.component.out_width(node.width)
    elif node.layer is not None and node.role == "join":
        width = node.layer.type.out_width
    channels = "d_model" if width == plan.sizes.d_model else width
    if isinstance(node.component, Head):
        letters: Mapping[object, Size | str] = {
            "T": tokens,
            "d_model": channels,
            plan.sizes.vocab_size: "vocab_size",
        }
        return tuple(letters.get(size, size) for size in node.component.shape())
    return ("B", tokens, channels)


def _report(node: Node, source: Node, wanted: str, given: Shape, plan: Plan, reporter: Reporter) -> None:
    stage = next(
        (stage for stage in plan.stages if node.layer is not None and node.layer in stage.layers), None
    )
    width = "d_model" if node.width == plan.sizes.d_model else node.width
    shape: Shape = ("B", node.length, width)
    name = "the stream"
    if isinstance(node.component, Embedding):
        first = node.component.inputs()[0]
        name = first.what
        shape = tuple(node.length if size == "T" else size for size in first.shape)
    ends = (str(Port("x", shape=given)), str(Port("x", shape=shape)))
    reporter.report(
        "B0702",
        f"{source.path} gives [{ends[0]}], {node.path} takes [{ends[1]}]",
        node.origin if stage is None else stage.origin,
        label=f"takes {name}, [{ends[1]}]",
        related=((source.origin, f"gives [{ends[0]}]"),) if source.origin else (),
        help=ADVICE[_what(source), wanted].format(input=name),
    )
