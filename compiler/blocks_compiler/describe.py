"""Components in a few words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from blocks import Component


def options(component: Component, written: Iterable[str] = ()) -> dict[str, str]:
    """Option -> value: the options that a recipe wrote, in its order, then the others that differ from a default."""
    fields = type(component).model_fields
    names = dict.fromkeys((*(name for name in written if name in fields), *fields))
    chosen: dict[str, str] = {}
    for name in names:
        value = getattr(component, name)
        if value is not None and (name in written or value != fields[name].default):
            chosen[name] = _value(value)
    return chosen


def sentence(chosen: Mapping[str, str]) -> str:
    """`n_heads 32, position rope`."""
    return ", ".join(name if value == "true" else f"{name} {value}" for name, value in chosen.items())


def _value(value: Any) -> str:
    if isinstance(value, Component):
        inner = sentence(options(value))
        return f"{value.name} ({inner})" if inner else value.name
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
