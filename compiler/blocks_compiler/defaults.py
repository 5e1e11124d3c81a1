"""Which defaults of a component say something where it stands, and by which rule a size was worked out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

from blocks import Component
from blocks.diagnostics import PluginError


def applies(component: Component, name: str, width: int) -> bool:
    """Whether another value of a default would build anything else; a mask says nothing of a memory."""
    value, kind = getattr(component, name), type(component).model_fields[name].annotation
    others = (not value,) if kind is bool else get_args(kind) if get_origin(kind) is Literal else ()
    changed = [component.model_copy(update={name: other}) for other in others if other != value]
    try:
        made = component.call(width)
        return not changed or any(other.call(width) != made for other in changed)
    except PluginError:  # the other value fits nothing here, so this one says something
        return True


def rule_of(rule: str, name: str, value: Any, component: Component, written: Mapping[str, Any]) -> str:
    """Of `d_model / n_heads, or 64 where both are free`, the half that held."""
    usual, _, free = rule.partition(", or ")
    free, both, _ = free.partition(" where both are free")
    if not both:
        return rule
    other = next(
        (each for each in type(component).model_fields if each != name and each in usual.split()), None
    )
    if other is None or other in written:
        return usual
    return f"{free if str(value) == free else f'at most {free}'}, since {other} is free as well"
