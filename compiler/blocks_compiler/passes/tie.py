"""Tie and share: parameters that are one and the same get one owner.

Requires: shapes. Ensures: a tied node names the owner of each shared parameter, and both have the same shape; a node
whose parameters are all those of another one names it.
"""

from __future__ import annotations

from blocks import BlockGraph, Head, Node, Plan
from blocks.reporting import Reporter


def tie(graph: BlockGraph, reporter: Reporter) -> BlockGraph:
    """The graph with `ties` and `shared` filled in."""
    plan: Plan = graph.graph["plan"]
    owners = {share.path: share.owner for share in plan.shares}
    embedding: Node | None = None
    for node in graph.walk():
        if node.role == "input":
            embedding = None
        elif node.role == "embedding" and embedding is None:
            embedding = node
        node.shared = owners.get(node.path, "")
        if node.layer is not None and node.layer.shares is not None and node.layer.path in owners:
            node.shared = node.layer.shares + node.path.removeprefix(node.layer.path)
        ties = node.component.ties() if isinstance(node.component, Head) else {}
        if ties and _fits(node, embedding, reporter):
            assert embedding is not None
            node.ties = tuple((own, f"{embedding.path}.{other}") for own, other in ties.items())
    return graph


def _fits(node: Node, embedding: Node | None, reporter: Reporter) -> bool:
    """Whether a node can share the embedding's table; reported where it cannot."""
    if embedding is None:
        reporter.report("B0703", f"{node.path} is tied to an embedding, and there is none", node.origin)
        return False
    sizes = [getattr(n.component, "vocab_size", None) for n in (node, embedding)]
    if sizes[0] != sizes[1]:
        reporter.report(
            "B0703",
            f"{node.path} has {sizes[0]} ids and cannot share the table of {embedding.path} with {sizes[1]}",
            node.origin,
            related=((embedding.origin, f"{sizes[1]} ids here"),),
            help="give both the same vocab_size, or set tied: false",
        )
        return False
    return True
