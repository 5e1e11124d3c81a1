"""Check capabilities: what a head asks of every mixer of its stream, every one can do.

Requires: a lowered graph. Ensures: nothing; reports each kind of block that lacks something once.
"""

from __future__ import annotations

from blocks import BlockGraph, Head, Mixer, Node
from blocks.reporting import Reporter

MEANING = {
    "causal": "see only the past",
    "cached": "decode from a state",
    "padded": "take a padding mask",
    "packed": "keep packed documents apart",
    "cross": "read another stream",
    "borrows": "use the keys and values of another block",
}


def check_capabilities(graph: BlockGraph, reporter: Reporter) -> BlockGraph:
    """The same graph."""
    stream: list[Node] = []
    told: set[tuple[int, int]] = set()
    for node in graph.walk():
        if node.role == "input":
            stream = []
        elif isinstance(node.component, Mixer):
            stream.append(node)
        elif isinstance(node.component, Head) and node.component.requires:
            for mixer in stream:
                if (id(mixer.component), id(node.component)) not in told:
                    told.add((id(mixer.component), id(node.component)))
                    _check(mixer, node, node.component, reporter)
    return graph


def _check(node: Node, head_node: Node, head: Head, reporter: Reporter) -> None:
    """Report what a head asks of a mixer that it cannot do."""
    assert isinstance(node.component, Mixer)
    for lacking in sorted(head.requires - node.component.capabilities()):
        name = node.layer.type.name if node.layer else node.path
        reporter.report(
            "B0701",
            f"{name} cannot {MEANING.get(lacking, lacking)}, which the {head.name} head needs",
            node.origin,
            label=f"not {lacking}",
            related=((head_node.origin, f"needs {lacking}"),),
            help="use a causal mask, or leave the head out",
        )
