"""Cost: every node learns its parameters, FLOPs and state.

Requires: ties and shares. Ensures: node.cost is set; shared parameters are counted at their owner only.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from blocks import BlockGraph, Cost, Plan


def cost(graph: BlockGraph) -> BlockGraph:
    """The graph with costs."""
    plan: Plan = graph.graph["plan"]
    slots: Counter[str] = Counter()
    for share in plan.shares:
        slots[share.path.rpartition(".")[0]] += share.parameters
    known: dict[tuple[int, int], Cost] = {}
    for node in graph.walk():
        shared = 0 if node.shared else slots[node.path]
        key = (id(node.component if node.component is not None else node.cost), -1 if node.shared else shared)
        if key not in known:
            found = node.component.cost() if node.component is not None else node.cost
            params = 0 if node.shared else found.params - shared
            known[key] = replace(found, params=params) if node.shared or shared else found
        node.cost = known[key]
    return graph
