"""Packed documents in a generated model: what its forward pass refuses up front, and what its docstring says."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence

from blocks import Head, Position
from blocks.plan import PlannedStage, PlannedStream
from blocks_compiler.backends.text import WIDTH


def lacking(streams: Sequence[PlannedStream]) -> list[str]:
    """The names of blocks, positions and heads that cannot keep packed documents apart, each once."""
    return list(
        dict.fromkeys(name for stream in streams for stage in stream.stages for name in _lacking(stage))
    )


def _lacking(stage: PlannedStage) -> Iterator[str]:
    component = stage.component
    if isinstance(component, Position) and not component.packed:
        yield f"the position {component.name}"
    if isinstance(component, Head) and component.takes_mask:
        yield f"the {component.name} head"
    for kind in dict.fromkeys(layer.type for layer in stage.layers):
        for branch in kind.branches:
            if "packed" not in branch.mixer.capabilities():
                yield branch.entry or kind.name
        if kind.adapter is not None and "packed" not in kind.adapter.capabilities():
            yield f"the adapter of {kind.name}"


def refusal(names: Sequence[str], masks: Sequence[str]) -> Iterator[str]:
    """The lines of a forward pass that raise ValueError where one of `masks` numbers documents; none without names."""
    if not names:
        return
    indent = " " * 8
    if len(masks) > 1:
        yield f"{indent}for mask in ({', '.join(masks)}):"
        indent += " " * 4
    yield f"{indent}if mask is not None and mask.dtype != torch.bool:"
    more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
    message = f"{names[0]} cannot keep packed documents apart{more}: a mask has to be bool"
    line = f"{indent}    raise ValueError({json.dumps(message, ensure_ascii=False)})"
    if len(line) <= WIDTH:
        yield line
        return
    rows = textwrap.wrap(message, WIDTH - len(indent) - 12, drop_whitespace=False)
    yield f"{indent}    raise ValueError("
    yield from (f"{indent}        {json.dumps(row, ensure_ascii=False)}" for row in rows)
    yield f"{indent}    )"
