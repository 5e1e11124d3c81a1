"""Cost: every node learns its parameters, FLOPs and state.

Requires: ties. Ensures: node.cost is set; tied parameters are counted at their owner only.
"""

from __future__ import annotations

from dataclasses import replace

from blocks import BlockGraph, Cost, Node


def cost(graph: BlockGraph) -> BlockGraph:
    """The graph with costs."""
    known: dict[int, Cost] = {}

    def change(node: Node) -> Node:
        if node.component is None:
            return node
        if id(node.component) not in known:
            known[id(node.component)] = node.component.cost()
        return replace(node, cost=known[id(node.component)])

    return graph.map(change)
