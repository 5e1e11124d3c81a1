"""What objectives over a vocabulary ask of a plan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from blocks import Head, Plan

if TYPE_CHECKING:
    from blocks.planned import PlannedStage


def vocabulary_head(plan: Plan) -> PlannedStage | None:
    """The first head of the last stream that gives logits [B, T, V] of every id that the model reads."""
    for stage in plan.head_paths.values():
        head = stage.component
        assert isinstance(head, Head)
        *axes, last = head.shape()
        if len(axes) == 2 and isinstance(last, int) and last >= (plan.sizes.vocab_size or 0):
            return stage
    return None


def later(plan: Plan) -> Iterator[str]:
    """The names of blocks whose output at a token depends on later ones, each once."""
    for kind in dict.fromkeys(layer.type for layer in plan.layers):
        for branch in kind.branches:
            if "causal" not in branch.mixer.capabilities():
                yield branch.entry or kind.name
        if kind.adapter is not None and "causal" not in kind.adapter.capabilities():
            yield f"the adapter of {kind.name}"
