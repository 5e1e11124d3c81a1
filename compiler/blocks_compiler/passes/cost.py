"""Cost: every node learns its parameters, FLOPs and state.

Requires: ties. Ensures: node.cost is set; tied parameters are counted at their owner only.
"""

from __future__ import annotations

from blocks import BlockGraph, Cost


def cost(graph: BlockGraph) -> BlockGraph:
    """The graph with costs."""
    known: dict[int, Cost] = {}
    for node in graph.walk():
        if node.component is None:
            continue
        if id(node.component) not in known:
            known[id(node.component)] = node.component.cost()
        node.cost = known[id(node.component)]
    return graph
