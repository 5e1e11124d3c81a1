"""Which parts of a model cannot keep packed documents apart, or take padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from blocks.component import Head, Position
from blocks.planned import PlannedStage, PlannedStream


def lacking(streams: Sequence[PlannedStream], capability: str = "packed") -> list[str]:
    """The names of blocks, positions and heads that lack `packed` or `padded`, each once."""
    names = (name for stream in streams for stage in stream.stages for name in _lacking(stage, capability))
    return list(dict.fromkeys(names))


def _lacking(stage: PlannedStage, capability: str) -> Iterator[str]:
    component = stage.component
    if capability == "packed" and isinstance(component, Position) and not component.packed:
        yield f"the position {component.name}"
    if capability == "packed" and isinstance(component, Head) and component.takes_mask:
        yield f"the {component.name} head"
    for kind in dict.fromkeys(layer.type for layer in stage.layers):
        for branch in kind.branches:
            if capability not in branch.mixer.capabilities():
                yield branch.entry or kind.name
        if kind.adapter is not None and capability not in kind.adapter.capabilities():
            yield f"the adapter of {kind.name}"
