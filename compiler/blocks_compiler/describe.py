"""Components in a few words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from blocks import Component, Plan
from blocks.blocktype import BlockType


def options(
    component: Component, written: Iterable[str] | None = None, *, deep: bool = True
) -> dict[str, str]:
    """Option -> value of what matters: first those `written`, then those that differ from a default.

    Without `written`, sizes that were derived from the model's are told as well. Not `deep`: what
    fills a slot is named without its own options.
    """
    fields = type(component).model_fields
    first = [name for name in written or () if name in fields]
    chosen: dict[str, str] = {}
    for name in dict.fromkeys((*first, *fields)):
        value, default = getattr(component, name), fields[name].default
        derived = written is not None and default is None and not isinstance(value, Component)
        if value is not None and (name in first or (value != default and not derived)):
            chosen[name] = _value(value, deep)
    return chosen


def block_options(plan: Plan, block: BlockType, *, deep: bool = True) -> dict[str, str]:
    """The options of a block's mixer: as the recipe wrote them; all that matter where an override did."""
    written = plan.canonical.blocks.get(block.name)
    if written is None or block.origin[:1] != ("blocks",) or not written.options:
        return options(block.mixer, deep=deep)
    return options(block.mixer, written.options, deep=deep)


def sentence(chosen: Mapping[str, str]) -> str:
    """`n_heads 32, position rope`."""
    return ", ".join(name if value == "true" else f"{name} {value}" for name, value in chosen.items())


def _value(value: Any, deep: bool) -> str:
    if isinstance(value, Component):
        inner = sentence(options(value)) if deep else ""
        return f"{value.name} ({inner})" if inner else value.name
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
