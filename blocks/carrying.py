"""Whether a model's state can go on for ever: recurrent states and windows stay as large as they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blocks.component import Mixer
    from blocks.planned import Plan

_FAR = 2**30
"""Tokens beyond any window."""


def not_carried(plan: Plan) -> Iterator[tuple[str, str]]:
    """Stages and blocks without a state that can go on for ever, each once, and why."""
    for stage in plan.stages:
        if stage.component is not None and stage.component.longest() is not None:
            yield stage.component.name, f"it has positions for {stage.component.longest():,} tokens"
    for kind in dict.fromkeys(layer.type for layer in plan.layers):
        for branch in kind.branches:
            name = branch.entry or kind.name
            if not {"causal", "cached"} <= branch.mixer.capabilities():
                yield name, "it keeps none"
            elif _grows(branch.mixer, kind.width):
                yield name, "it grows with every token"


def _grows(mixer: Mixer, width: int) -> bool:
    """Whether the state is larger after more tokens, however many there were: a window is full at some time."""
    cost = mixer.cost()
    return cost.state_bytes(2 * _FAR, width, 1, memory=0) > cost.state_bytes(_FAR, width, 1, memory=0)
