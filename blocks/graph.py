"""The block graph: what the recipe means, before anything is built from it.

A node is a component at a path (`layers.3.mixer`); an edge joins two typed ports. One path serves everywhere:
parameter prefix, diagram id, cost row, place of an error. Shapes are symbolic: letters B and T, numbers, and
polynomials over them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import networkx as nx

from blocks.component import Component
from blocks.cost import Cost
from blocks.inside import Inside, Shape

if TYPE_CHECKING:
    from blocks.plan import Layer


@dataclass(frozen=True, slots=True)
class Port:
    """A place where an edge ends: what flows there, its shape (None until shapes are inferred) and dtype."""

    name: str
    dtype: str = "float"  # "float": the model's dtype; "int64": token ids
    shape: Shape | None = None

    def __str__(self) -> str:
        return " ".join(str(size) for size in self.shape) if self.shape is not None else "?"


NOTHING = Cost()


@dataclass(slots=True, eq=False)
class Node:
    """A component at a path. Passes fill in what they find out: shapes, ties, kernels, inside, cost.

    role      input, embedding, position, norm, mixer, adapter, scale, join, add, add_norm (fused), head, output
    width     channels of the input that its component is made for: D of its cost
    length    letter of the number of tokens: "T", or "S" in a stream that is read as memory
    note      what a picture says of a node without a component: `× 0.5`
    shared    the node whose parameters are this one's too
    ties      parameters of this node that live elsewhere: own name -> path of the owner
    kernels   op -> chosen implementation
    """

    path: str
    role: str
    component: Component | None = None
    inputs: tuple[Port, ...] = (Port("x"),)
    outputs: tuple[Port, ...] = (Port("y"),)
    layer: Layer | None = None
    width: int = 0
    length: str = "T"
    note: str = ""
    shared: str = ""
    inside: Inside | None = None
    ties: tuple[tuple[str, str], ...] = ()
    kernels: tuple[tuple[str, str], ...] = ()
    cost: Cost = NOTHING
    origin: tuple[str | int, ...] = ()


class BlockGraph(nx.DiGraph):  # type: ignore[type-arg]
    """A networkx DiGraph of `Node`s. A pass owns the graph that it is given and returns it, filled in or rewritten.

    Nodes are keyed by path, in the order of execution, and hold `node=Node`; edges hold
    `ports=((output, input), …)`.
    """

    def add(self, node: Node, *sources: str | tuple[str, str]) -> str:
        """Append a node; its input ports read `sources`, each a path or a (path, output port). Returns the path."""
        assert node.path not in self, f"two nodes at {node.path}"
        assert len(sources) == len(node.inputs), f"{node.path} has {len(node.inputs)} inputs"
        self.add_node(node.path, node=node)
        wires: dict[str, tuple[tuple[str, str], ...]] = {}
        for port, source in zip(node.inputs, sources, strict=True):
            path, output = source if isinstance(source, tuple) else (source, "y")
            wires[path] = (*wires.get(path, ()), (output, port.name))
        for path, ports in wires.items():
            self.add_edge(path, node.path, ports=ports)
        return node.path

    def node(self, path: str) -> Node:
        """The node at a path."""
        found: Node = self.nodes[path]["node"]
        return found

    def walk(self) -> Iterator[Node]:
        """Nodes in the order of execution."""
        for _, data in self.nodes(data=True):
            yield data["node"]

    def sources(self, path: str) -> dict[str, tuple[str, str]]:
        """Input port -> (path, output port) that feeds it."""
        return {
            port: (source, output)
            for source, data in self.pred[path].items()
            for output, port in data["ports"]
        }

    def _repr_svg_(self) -> str | None:
        """The diagram, for notebooks."""
        from blocks.api import picture

        return picture(self)
