"""What a model keeps from token to token, in words: a state that grows, one that stays, one that is bounded."""

from __future__ import annotations

from collections import Counter

from blocks import Mixer, Plan
from blocks.polynomial import Polynomial
from blocks_compiler import units

FAR = 2**30
"""Tokens beyond any window."""
ITEM = 2
"""Bytes an element, of bfloat16."""


def kept(plan: Plan) -> str:
    """What the blocks keep of what they have read, in bytes of bfloat16; what stays in float32 counts as it is."""
    counts: Counter[tuple[str, int, int]] = Counter()
    width_of: dict[tuple[str, int, int], Mixer] = {}
    for layer in plan.layers:
        for branch in layer.type.branches:
            if layer.kv_source is None:
                key = (
                    branch.name if branch.name != "mixer" else layer.type.name,
                    layer.type.width,
                    id(branch.mixer),
                )
                counts[key] += 1
                width_of[key] = branch.mixer
    texts = [
        f"{name} ({count:,}) keeps {text}"
        for (name, width, _), count in counts.items()
        for text in [_kept(width_of[name, width, _], width, count)]
        if text
    ]
    if not texts:
        return "Nothing: no block looks at an earlier token's past, or all look both ways and read a text at once."
    return (
        "; ".join(texts)
        + ". The state is an argument and a result of the forward pass; bytes are those of bfloat16."
    )


def _kept(mixer: Mixer, width: int, count: int) -> str:
    """What so many mixers keep of one sequence."""
    cost = mixer.cost()
    memory = any("S" in Polynomial.of(size).symbols for size in (cost.state, cost.state_fp32))

    def held(tokens: int) -> int:
        return count * cost.state_bytes(tokens, width, ITEM, memory=0)

    if memory:
        per_token = count * cost.state_bytes(1, width, ITEM, memory=1) - held(1)
        own = f" and {units.size(held(1))} besides" if held(1) else ""
        return f"{units.size(per_token)} for each token that it reads in the other stream{own}"
    if held(FAR) == held(1):
        return f"{units.size(held(1))}, however long the text" if held(1) > 8 * count else ""
    if held(2 * FAR) == held(FAR):
        return f"up to {units.size(held(FAR))}: its window is full then"
    return f"{units.size(held(2) - held(1))} for each token"
