"""What a diagram is made of: blocks out of a graph's nodes, and the steps inside a block. No drawing here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, Union

from blocks import BlockGraph, Component, Mixer, Node, Op
from blocks.blocktype import BlockType, Branch
from blocks.fold import Repeat
from blocks.inside import Shape

Wire: TypeAlias = tuple[str, str, Union[Shape, None]]  # noqa: UP007 - a runtime alias
"""A step that is read ("" is the block's input, "in.memory.encoder" another one), the port that reads it, the shape."""


@dataclass(frozen=True, slots=True)
class Block:
    """The nodes of one block. Blocks of one `key` are drawn alike, in whatever streams they stand."""

    nodes: tuple[Node, ...] = field(compare=False, repr=False)
    key: int

    @property
    def mixer(self) -> Node:
        """The mixer's node; the first of several."""
        return next((node for node in self.nodes if node.role == "mixer"), self.nodes[0])

    @property
    def name(self) -> str:
        """Its name in the recipe."""
        layer = self.nodes[0].layer
        return layer.type.name if layer is not None else self.nodes[0].path

    @property
    def parameters(self) -> int:
        """Parameters of one such block."""
        return sum(node.cost.parameters(node.width) for node in self.nodes)


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One thing that a card draws: a node, or an operation of an opened mixer, and what it reads."""

    name: str
    node: Node
    op: Op | None
    reads: tuple[Wire, ...]


ASIDE = ("memory", "kv")
"""Ports that read something else than the stream."""


def items(graph: BlockGraph) -> Iterator[Node | Block]:
    """Stages and blocks in the order of execution."""
    run: list[Node] = []
    keys = _Keys()
    for node in graph.walk():
        if run and (node.layer is None or node.layer is not run[-1].layer):
            yield Block(tuple(run), keys.of(run))
            run = []
        if node.layer is None:
            yield node
        else:
            run.append(node)
    if run:
        yield Block(tuple(run), keys.of(run))


class _Keys:
    """Numbers of kinds of block: the same one where names, options, norms and residual are the same."""

    def __init__(self) -> None:
        self.numbers: dict[object, int] = {}
        self.known: dict[object, int] = {}  # thousands of blocks are of one type

    def of(self, nodes: Sequence[Node]) -> int:
        layer = nodes[0].layer
        same = (
            layer and layer.type,
            layer and layer.symbol,
            *((node.role, id(node.component)) for node in nodes),
        )
        if same not in self.known:
            around = _around(layer.type, nodes[0]) if layer is not None else None
            parts = ((node.role, node.note, node.width, _content(node.component)) for node in nodes)
            content = (around, layer and layer.symbol, *parts)
            self.known[same] = self.numbers.setdefault(content, len(self.numbers))
        return self.known[same]


def _around(kind: BlockType, node: Node) -> tuple[object, ...]:
    """What a block has besides its components; parameters are shared within a stream."""
    shared = (kind.share, node.path.partition(".")[0]) if kind.share else ()
    return (
        kind.name, kind.residual, kind.scale, kind.layer_scale, kind.alpha, kind.join, kind.kv_from, shared,
        *((each.entry, each.memory, each.scale, each.layer_scale) for each in kind.branches),
    )  # fmt: skip


def _content(component: Component | None) -> tuple[object, ...]:
    reads = (component.memory_width, component.borrows) if isinstance(component, Mixer) else ()
    return (type(component), repr(component), *reads)


def representatives(blocks: Iterable[Block]) -> list[Block]:
    """One block of each kind, in order of appearance: the one that a stream of T tokens has, where there is one."""
    chosen: dict[Block, Block] = {}
    for block in blocks:
        if block not in chosen or (chosen[block].nodes[0].length, block.nodes[0].length) == ("S", "T"):
            chosen[block] = block
    return list(chosen.values())


def branch(node: Node) -> Branch | None:
    """The branch that a node stands in; None in a block of one mixer."""
    if node.layer is None or not node.layer.type.join:
        return None
    name = node.path.rpartition(".")[2]
    return next((each for each in node.layer.type.branches if each.name == name), None)


def steps(graph: BlockGraph, block: Block, *, inside: bool) -> list[Step]:
    """The steps of a block in order; with `inside` its mixer is opened where it has declared what is in it."""
    found: list[Step] = []
    exits: dict[str, str] = {}
    several = sum(node.role == "mixer" for node in block.nodes) > 1
    for node in block.nodes:
        reads: tuple[Wire, ...] = tuple(
            (
                exits.get(source, _outside(port, source)),
                port,
                graph.node(source).outputs[-1].shape,
            )
            for port, (source, _) in graph.sources(node.path).items()
        )
        before = f"{node.path}." if several else ""
        if node.role == "mixer" and inside and node.inside is not None:
            made = {op.name: op for op in node.inside.ops}
            for op in node.inside.ops:
                wires: list[Wire] = [
                    (_id(before + name), name, made[name].shape) for name in op.inputs if name in made
                ]
                wires += [wire for wire in reads if wire[1] in op.inputs]
                found.append(Step(_id(before + op.name), node, op, tuple(wires)))
            exits[node.path] = found[-1].name
        else:
            found.append(Step(node.path, node, None, reads))
            exits[node.path] = node.path
    return found


def _outside(port: str, source: str) -> str:
    """What is read from outside of a block: the memory of each stream by itself."""
    if port == "memory":
        return f"in.memory.{source.partition('.')[0]}"
    return f"in.{port}" if port in ASIDE else ""


def _id(op: str) -> str:
    return "op." + op.replace(":", ".")  # a colon would be read as a port


def depth(found: Sequence[Step]) -> int:
    """Steps on the longest way through."""
    deep: dict[str, int] = {}
    for step in found:
        deep[step.name] = 1 + max((deep.get(source, 0) for source, _, _ in step.reads), default=0)
    return max(deep.values(), default=0)


def length(item: Block | Repeat[Block]) -> int:
    """Blocks that an item of a folded run stands for."""
    return item.times * sum(length(each) for each in item.items) if isinstance(item, Repeat) else 1


def columns(heights: Sequence[int], limit: int, most: int, step: int = 40) -> list[int]:
    """How many cards each column holds: as few columns as stay below `limit`, at most `most`, as even as can be."""
    limit = max([limit, *heights])
    while len(filled := _fill(heights, limit)) > most:
        limit += step
    even = limit
    while even >= max(heights, default=0) and len(narrower := _fill(heights, even)) == len(filled):
        filled, even = narrower, even - 10
        if even <= 0:
            break
    return filled


def _fill(heights: Sequence[int], limit: int) -> list[int]:
    counts: list[int] = []
    used = limit
    for height in heights:
        if used + height > limit:
            counts.append(0)
            used = 0
        counts[-1] += 1
        used += height
    return counts
