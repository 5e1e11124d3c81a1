"""The statements that make parameters one and the same: shared blocks and components, tied heads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from blocks import BlockGraph, Plan
from blocks_compiler.backends.text import WIDTH

_LAYER = re.compile(r"(?P<stack>[^0-9].*?)\.(?P<index>\d+)(?:\.(?P<part>.+))?")


def share_lines(graph: BlockGraph) -> Iterator[str]:
    """Statements for the end of the model's constructor, without indentation."""
    plan: Plan = graph.graph["plan"]
    groups: dict[tuple[str, str], dict[tuple[str, str], list[int]]] = {}
    singles: list[tuple[str, str]] = []
    for share in plan.shares:
        match = _LAYER.fullmatch(share.path)
        if match is None:
            singles.append((share.path, share.owner))
            continue
        part = f".{match['part']}" if match["part"] else ""
        layer = _layer(share.owner)
        parts = groups.setdefault((match["stack"], layer), {})
        both = (part, share.owner.removeprefix(layer))
        parts.setdefault(both, []).append(int(match["index"]))
    for (stack, owner), parts in groups.items():
        for indices in dict.fromkeys(map(tuple, parts.values())):
            indent, index = "", str(indices[0])
            if len(indices) > 1:
                yield f"for i in {numbers(indices)}:  # one set of parameters"
                indent, index = "    ", "i"
            for part, owners in (both for both, found in parts.items() if tuple(found) == indices):
                yield from _statement(indent, _assigned(stack, index, part), _read(owner + owners))
    for path, owner in singles:
        yield f"self.{path} = self.{owner}"
    for node in graph.walk():
        for own, other in node.ties:
            if node.role == "head":
                yield f"{_read(node.path)}.{own} = self.{other}"


def _layer(path: str) -> str:
    """The block that a path leads into; the path itself where it leads into none."""
    match = _LAYER.fullmatch(path)
    return path if match is None else f"{match['stack']}.{match['index']}"


def _statement(indent: str, name: str, value: str) -> Iterator[str]:
    """An assignment, on several lines where one is too long inside a constructor."""
    if len(indent) + len(name) + len(value) + 11 <= WIDTH:
        yield f"{indent}{name} = {value}"
    else:
        yield from (f"{indent}{name} = (", f"{indent}    {value}", f"{indent})")


def _assigned(stack: str, index: str, part: str) -> str:
    """`self.layers[i].norm`, or deeper inside a block through `get_submodule`, whose type is known."""
    inside, _, last = part.rpartition(".")
    if not inside:
        return f"self.{stack}[{index}]{part}"
    path = f'f"{stack}.{{i}}{inside}"' if index == "i" else f'"{stack}.{index}{inside}"'
    return f"self.get_submodule({path}).{last}"


def _read(path: str) -> str:
    match = _LAYER.fullmatch(path)
    if match is not None and match["part"] and "." in match["part"]:
        return f'self.get_submodule("{path}")'
    if match is not None:
        return f"self.{match['stack']}[{match['index']}]" + (f".{match['part']}" if match["part"] else "")
    stage, _, name = path.rpartition(".")
    return f'self.{stage}["{name}"]' if stage.rpartition(".")[2].startswith("heads") else f"self.{path}"


def numbers(indices: Sequence[int]) -> str:
    """Numbers in order as Python writes them: range(1, 12), range(2, 18, 6), (2, 5, 11)."""
    if len(indices) > 2:
        step = indices[1] - indices[0]
        if all(b - a == step for a, b in pairwise(indices)):
            end = indices[-1] + 1
            return f"range({indices[0]}, {end})" if step == 1 else f"range({indices[0]}, {end}, {step})"
    return f"({', '.join(map(str, indices))}{',' * (len(indices) == 1)})"
