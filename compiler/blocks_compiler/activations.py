"""Activations: what a training step keeps of the forward pass for the backward one, from the shapes that are declared.

Of each operation inside a mixer, by its kind, a tensor counting once however many keep it:

    linear, norm, activation  its inputs
    conv                      its inputs, and its output before the activation
    gate                      its inputs, and the one that went through the activation
    scores                    queries, keys, values, a bias, and its output: no scores, as in Dao et al. 2022
                              (arXiv:2205.14135), which torch's attention follows
    scan                      its inputs and its output
    position, sum             nothing

A linear map that is one with others keeps all of their outputs, of which the others are views. A component that knows
better says so (`Component.saved`). Of two layer norms, attention and an MLP this makes 32 s b h bytes in 16 bits: the
34 s b h of Korthikanti et al. 2022 (arXiv:2205.05198, equation 1) without two masks of dropout of s b h bytes each, and
without their 5 a s / h for scores. Residual sums keep nothing. The head keeps its input: its logits are worked out in
chunks, and never exist in full.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from blocks import BlockGraph, Inside, Mixer, Node, Op, Polynomial
from blocks.cost import Size
from blocks_compiler.backends.report import tokens_at

_READERS = frozenset({"linear", "norm", "activation", "conv", "gate", "scores", "scan"})
_KEEP_OUTPUT = frozenset({"conv", "scores", "scan"})


@dataclass(slots=True)
class Activations:
    """Bytes of one sequence that one block or stage keeps.

    stream  what norms, mixers and heads read
    whole   inside of what tensor parallelism does not cut; `cut` inside of what it does
    start   what a block starts from, which is all that stays of one that is computed again
    """

    stream: int = 0
    whole: int = 0
    cut: int = 0
    start: int = 0

    def total(self, tensor: int = 1) -> int:
        """All of it, where tensor parallelism is over so many."""
        return self.stream + self.whole + -(-self.cut // tensor)


def activations(graph: BlockGraph, context: int, itemsize: int) -> dict[str, Activations]:
    """What each block and each stage keeps of a sequence of `context` tokens, by its path.

    `itemsize` is the number of bytes of an element of the model's dtype. Tensors that several read belong to the first.
    """
    found: dict[str, Activations] = {}
    seen: set[tuple[str, str]] = set()
    known: dict[tuple[int, ...], tuple[int, bool]] = {}
    for node in graph.walk():
        path = node.layer.path if node.layer is not None else node.path
        unit = found.setdefault(path, Activations())
        sizes = _sizes(graph, node, context)
        stream = sizes["T"] * node.width * itemsize
        if node.layer is not None and not unit.start:
            unit.start = stream
        if _keeps_input(node):
            source = next(iter(graph.sources(node.path).values()))
            if source not in seen:
                seen.add(source)
                unit.stream += stream
        if node.component is None:
            continue
        key = (id(node.component), *sizes.values())
        if key not in known:
            known[key] = _inside_of(node, sizes, itemsize)
        inner, output = known[key]
        if output:
            seen.add((node.path, "y"))
        if isinstance(node.component, Mixer) and node.component.parts() > 1:
            unit.cut += inner
        else:
            unit.whole += inner
    return found


def _keeps_input(node: Node) -> bool:
    """Whether a node's backward pass reads what it reads: not sums, constant factors and tables."""
    learned = node.role in ("scale", "join") and bool(node.cost.params)
    return node.role in ("norm", "mixer", "adapter", "head") or learned


def _sizes(graph: BlockGraph, node: Node, context: int) -> dict[str, int]:
    """Tokens, tokens of the memory, and width at a node."""
    memory = next((port for port in node.inputs if port.name == "memory"), None)
    stream = node.outputs if node.role == "embedding" else node.inputs
    tokens = tokens_at(stream[0] if stream else None)
    return {"T": tokens or context, "S": tokens_at(memory) or context, "D": node.width}


def _inside_of(node: Node, sizes: Mapping[str, int], itemsize: int) -> tuple[int, bool]:
    """Bytes that a component keeps, what it reads aside, and whether its output is among them."""
    component = node.component
    assert component is not None
    kept = component.saved()
    if kept is not None:
        return _number(kept.elements, sizes) * itemsize + _number(kept.fp32, sizes) * 4, False
    inside = component.inside() if isinstance(component, Mixer) else None
    if inside is None or not inside.ops:
        return 0, False
    elements, output = _elements_kept(inside, sizes)
    return elements * itemsize, output


def _elements_kept(inside: Inside, sizes: Mapping[str, int]) -> tuple[int, bool]:
    """Elements that the operations of a mixer keep, `x` aside, and whether its output is among them."""
    size: dict[str, int] = {}
    group = {op.name: op.fuse or op.name for op in inside.ops}
    whole: dict[str, int] = {}  # of operations that are one
    kept: set[str] = set()
    between = 0
    for op in inside.ops:
        turned = op.kind == "position" and op.shape[0] == "B"  # queries and keys alike
        size[op.name] = sum(size.get(name, 0) for name in op.inputs) if turned else 0
        size[op.name] = size[op.name] or _elements(op, sizes)
        whole[group[op.name]] = whole.get(group[op.name], 0) + size[op.name]
        if op.kind in _READERS:
            kept |= {group[name] for name in op.inputs if name in group}
        if op.kind in _KEEP_OUTPUT:
            kept.add(group[op.name])
        if op.kind == "gate":
            between += size[op.name]
    return between + sum(whole[name] for name in kept), group[inside.ops[-1].name] in kept


def _elements(op: Op, sizes: Mapping[str, int]) -> int:
    """Elements of the output of an operation, of one sequence."""
    count = 1
    for axis in op.shape:
        if axis != "B":
            count *= sizes[axis] if isinstance(axis, str) and axis in sizes else _number(axis, sizes)
    return count


def _number(size: Size | str, sizes: Mapping[str, int]) -> int:
    assert not isinstance(size, str), f"no size is called {size}"
    return int(Polynomial.of(size).number(**sizes))
