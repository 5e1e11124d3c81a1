"""What a mixer is, told from the operations inside it, so that a stranger's mixer gets a colour too."""

from __future__ import annotations

from blocks import Mixer

FAMILIES = ("attention", "recurrence", "convolution", "feed-forward", "other")


def family(mixer: Mixer) -> str:
    """One of FAMILIES: scores make attention, a scan makes a recurrence, plain linears a feed-forward map."""
    inside = mixer.inside()
    kinds = {op.kind for op in inside.ops} if inside is not None else set()
    for kind, name in (("scores", "attention"), ("scan", "recurrence"), ("conv", "convolution")):
        if kind in kinds:
            return name
    return "feed-forward" if kinds else "other"
