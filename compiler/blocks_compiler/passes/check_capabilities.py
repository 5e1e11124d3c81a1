"""Check capabilities: what a head asks of every mixer, every mixer can do.

Requires: a lowered graph. Ensures: nothing; reports each kind of block that lacks something once.
"""

from __future__ import annotations

from blocks import BlockGraph, Head, Mixer
from blocks.reporting import Reporter

MEANING = {
    "causal": "see only the past",
    "cached": "decode from a state",
    "padded": "take a padding mask",
    "packed": "keep packed documents apart",
    "cross": "read another stream",
}


def check_capabilities(graph: BlockGraph, reporter: Reporter) -> BlockGraph:
    """The same graph."""
    heads = [node for node in graph.walk() if isinstance(node.component, Head)]
    seen: set[int] = set()
    for node in graph.walk():
        mixer = node.component
        if not isinstance(mixer, Mixer) or id(mixer) in seen:
            continue
        seen.add(id(mixer))
        for head in heads:
            assert isinstance(head.component, Head)
            for lacking in sorted(head.component.requires - mixer.capabilities()):
                name = node.layer.type.name if node.layer else node.path
                reporter.report(
                    "B0701",
                    f"{name} cannot {MEANING.get(lacking, lacking)}, which the {head.component.name} head needs",
                    node.origin,
                    label=f"not {lacking}",
                    related=((head.origin, f"needs {lacking}"),),
                    help="use a causal mask, or leave the head out",
                )
    return graph
