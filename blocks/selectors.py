"""Selectors: which blocks of a stack an override means."""

from __future__ import annotations

import re
from collections.abc import Sequence

from blocks.layout import LayoutError, Path
from blocks.suggest import did_you_mean

_SELECTOR = re.compile(
    r"(?P<name>[A-Za-z_][\w.+-]*)(?:\[(?P<start>-?\d{1,9})?(?P<colon>:(?P<stop>-?\d{1,9})?)?\])?"
)


def select(selector: str, blocks: Sequence[str], stack: str = "layers") -> list[int]:
    """Indices that a selector names: `attention[-1]`, `attention`, `layers[0:4]`; Python's rules for indices.

    Raises LayoutError for a selector that is not understood or selects nothing.
    """
    path: Path = ("override", selector)
    match = _SELECTOR.fullmatch(selector.strip())
    if match is None:
        help = "attention[-1], layers[0:4], or ffn"
        raise LayoutError("B0408", f"{selector!r} is not a selector", path, help)
    name = match["name"]
    everything = name == stack
    found = [i for i, block in enumerate(blocks) if everything or block == name]
    if match["colon"]:
        start, stop = (int(match[g]) if match[g] else None for g in ("start", "stop"))
        chosen = found[start:stop]
    elif match["start"]:
        index = int(match["start"])
        chosen = found[index : index + 1 or None] if -len(found) <= index < len(found) else []
    else:
        chosen = found if "[" not in selector else []
    if not chosen:
        if found:
            reason = f"there {'is' if len(found) == 1 else 'are'} {len(found)} of {name!r}"
            help = f"{name}[0] to {name}[{len(found) - 1}], or {name}[-1] for the last one"
        else:
            reason = f"no block of this stack is called {name!r}"
            near = did_you_mean(name, known := sorted({stack, *blocks}))
            help = f"did you mean {near!r}?" if near else f"names here: {', '.join(known)}"
        raise LayoutError("B0409", f"{selector!r} selects nothing: {reason}", path, help)
    return chosen
