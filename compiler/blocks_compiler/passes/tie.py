"""Tie and share: parameters that are one and the same get one owner.

Requires: shapes. Ensures: a tied node names the owner of each shared parameter, and both have the same shape; a node
whose parameters are all those of another one names it.
"""

from __future__ import annotations

from blocks import BlockGraph, Embedding, Head, Node, Plan
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
        message = f"{node.path} is tied to an embedding, and there is none"
        reporter.report(
            "B0703", message, node.origin, help="begin with `- embed: tokens`, or set tied: false"
        )
        return False
    assert isinstance(node.component, Head)
    assert isinstance(embedding.component, Embedding)
    own, table = node.component.table(node.width), embedding.component.table(embedding.width)
    if own == table:
        return True
    help = "tied: false"
    if own is None or table is None:
        lacks = node if own is None else embedding
        message = f"{node.path} is tied to {embedding.path}, and {lacks.path} has no table to share"
        label = "no table here" if lacks is embedding else "tied to this"
    elif own[0] != table[0]:
        message = (
            f"{node.path} has {own[0]} ids and cannot share the table of {embedding.path} with {table[0]}"
        )
        label, help = f"{table[0]} ids here", "give both the same vocab_size, or set tied: false"
    else:
        message = f"{node.path} reads {own[1]} channels and cannot share the table of {embedding.path} with {table[1]}"
        label = f"{table[1]} channels here"
        if "dim" in type(node.component).model_fields:
            help = f"give the head dim: {table[1]}, or set tied: false"
    reporter.report("B0703", message, node.origin, related=((embedding.origin, label),), help=help)
    return False
