"""Infer shapes: every port learns what flows there, and ports that do not meet are reported with both ends.

Requires: a lowered graph. Ensures: every port has a shape over B, T, d_model and vocab_size.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from blocks import BlockGraph, Head, Node, Plan, Port
from blocks.inside import Shape
from blocks.plan import Layer
from blocks.reporting import Reporter

IDS: Shape = ("B", "T")
READ = ("x", "update", "tokens")
"""Ports that read the stream; the others read a memory, a branch, or keys and values."""
ADVICE = {
    ("ids", "stream"): "begin with `- embed: tokens`",
    ("logits", "stream"): "a head comes last; several outputs stand under `heads:`",
    ("stream", "ids"): "one `embed` at the beginning makes the stream of the token ids",
    ("logits", "ids"): "the order is embed, position, stack, norm, head",
}
NAMES = {"ids": "token ids", "stream": "the stream", "logits": "logits"}


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
            wrong = wanted is not None and _what(shape) != wanted and port.name in READ
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
        return "ids"
    return None if node.role in ("input", "output") else "stream"


def _what(shape: Shape) -> str:
    """What flows in this shape."""
    if len(shape) == 2:
        return "ids"
    return "logits" if shape[-1] == "vocab_size" else "stream"


def _produced(node: Node, given: list[Shape], plan: Plan) -> Shape:
    ids: Shape = ("B", node.length)
    if node.role == "input":
        return ids
    if node.role == "output":
        return given[0]
    if node.role == "head":
        assert isinstance(node.component, Head)
        letters: dict[object, str] = {"T": node.length, plan.sizes.vocab_size: "vocab_size"}
        return tuple(letters.get(size, size) for size in node.component.shape())
    width = node.width
    if node.component is not None:
        width = node.component.out_width(node.width)
    elif node.layer is not None and node.role == "join":
        width = node.layer.type.out_width
    return (*ids, "d_model" if width == plan.sizes.d_model else width)


def _report(node: Node, source: Node, wanted: str, given: Shape, plan: Plan, reporter: Reporter) -> None:
    stage = next(
        (stage for stage in plan.stages if node.layer is not None and node.layer in stage.layers), None
    )
    width = "d_model" if node.width == plan.sizes.d_model else node.width
    shape: Shape = ("B", node.length) if wanted == "ids" else ("B", node.length, width)
    ends = (str(Port("x", shape=given)), str(Port("x", shape=shape)))
    reporter.report(
        "B0702",
        f"{source.path} gives [{ends[0]}], {node.path} takes [{ends[1]}]",
        node.origin if stage is None else stage.origin,
        label=f"takes {NAMES[wanted]}, [{ends[1]}]",
        related=((source.origin, f"gives [{ends[0]}]"),) if source.origin else (),
        help=ADVICE.get((_what(given), wanted)),
    )
