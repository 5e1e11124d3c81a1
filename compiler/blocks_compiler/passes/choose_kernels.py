"""Choose kernels: one implementation for each op of the model.

Requires: a lowered graph. Ensures: `graph.graph["kernels"]` maps each op to "package.module:function" where it is
not the reference, and every node names the implementation of its ops.
"""

from __future__ import annotations

from blocks import BlockGraph, BuildError, Component, Registry, Target
from blocks.kernel import REFERENCE, choose, implementations


def choose_kernels(graph: BlockGraph, registry: Registry, target: Target, policy: str = "auto") -> BlockGraph:
    """The graph with kernels chosen.

    `policy` is auto (the implementation that prefers this target, else the reference), reference, or the name of
    an implementation such as triton, used wherever it runs. Raises BuildError for a name that no op has, or that
    runs for none of this model's ops on this target.
    """
    ops: dict[int, tuple[str, ...]] = {}  # of each distinct component
    users: dict[str, list[Component]] = {}
    for node in graph.walk():
        if node.component is not None and id(node.component) not in ops:
            ops[id(node.component)] = node.component.all_ops()
            for op in ops[id(node.component)]:
                users.setdefault(op, []).append(node.component)
    table = {op: implementations(registry, op) for op in users}
    chosen = {op: choose(table[op], using, target, policy) for op, using in users.items()}
    if policy not in ("auto", REFERENCE):
        known = sorted({entry.name.partition("/")[2] for entry in registry.of_kind("kernel")} - {REFERENCE})
        if policy not in known:
            raise BuildError.of(
                "B0601", f"no kernels are called {policy!r}", help=f"auto, reference, {', '.join(known)}"
            )
        if policy not in chosen.values():
            raise BuildError.of(
                "B0704",
                f"no {policy} kernel of this model's ops ({', '.join(users) or 'it has none'}) runs on {target.device} "
                f"in {target.dtype}",
                help="--kernels auto chooses what runs",
            )

    named = {key: tuple((op, chosen[op]) for op in found) for key, found in ops.items()}
    for node in graph.walk():
        node.kernels = named.get(id(node.component), ())
    graph.graph["kernels"] = {
        op: (table[op][REFERENCE].function, table[op][name].function)
        for op, name in chosen.items()
        if name != REFERENCE
    }
    return graph
