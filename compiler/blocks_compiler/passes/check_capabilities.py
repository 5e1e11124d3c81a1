"""Check capabilities: what a head asks of every mixer of its stream, every one can do; what it reads has seen enough.

Requires: a lowered graph. Ensures: nothing; reports each kind of block that lacks something once.
"""

from __future__ import annotations

from blocks import BlockGraph, Head, Mixer, Node
from blocks.reporting import Reporter
from blocks.validation import Path

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
        elif isinstance(node.component, Head):
            _check_seen(stream, node, node.component, reporter)
            for mixer in stream if node.component.requires else ():
                if (id(mixer.component), id(node.component)) not in told:
                    told.add((id(mixer.component), id(node.component)))
                    _check(mixer, node, node.component, reporter)
    return graph


def _check_seen(stream: list[Node], head_node: Node, head: Head, reporter: Reporter) -> None:
    """Report a head that reads tokens which have to see later ones, where none does."""
    help = head.needs_later()
    if help is None:
        return
    causal: list[Node] = []
    for node in stream:
        assert isinstance(node.component, Mixer)
        if node.component.memory_width is not None or "causal" not in node.component.capabilities():
            return
        causal.append(node)
    along = (node for node in causal if isinstance(node.component, Mixer) and node.component.cost().state)
    first = next(along, causal[0] if causal else None)
    if first is None:
        return
    reporter.report(
        "B0701",
        f"the {head.name} head reads tokens that have to see later ones, and every block is causal",
        head_node.origin,
        label="needs a block that is not causal",
        related=((first.origin, "sees only the past"),),
        help=help,
    )


def _check(node: Node, head_node: Node, head: Head, reporter: Reporter) -> None:
    """Report what a head asks of a mixer that it cannot do."""
    assert isinstance(node.component, Mixer)
    lacking = sorted(head.requires - node.component.capabilities())
    if not lacking:
        return
    name = node.layer.type.name if node.layer else node.path
    option = _culprit(node.component, head, node.origin, reporter)
    reporter.report(
        "B0701",
        f"{name} cannot {' or '.join(MEANING.get(one, one) for one in lacking)}, which the {head.name} head needs",
        (*node.origin, option) if option else node.origin,
        label=f"not {', not '.join(lacking)}",
        related=((head_node.origin, f"needs {', '.join(sorted(head.requires))}"),),
        help=f"leave out {option}, or take another head" if option else "take another mixer, or another head",
    )


def _culprit(mixer: Mixer, head: Head, origin: Path, reporter: Reporter) -> str | None:
    """The option of a mixer that is written, and without which it could do what the head asks."""
    for name, field in type(mixer).model_fields.items():
        if reporter.written((*origin, name)):
            without = mixer.model_copy(update={name: field.get_default(call_default_factory=True)})
            if head.requires <= without.capabilities():
                return name
    return None
