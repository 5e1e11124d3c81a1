"""Components in a few words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from blocks import Component, Plan
from blocks.blocktype import BlockType


def options(
    component: Component, written: Iterable[str] | None = None, *, deep: bool = True
) -> dict[str, str]:
    """Option -> value of what differs from its default: first those `written`, then the others.

    Sizes that were derived from the model's are told where they are written, and all of them without
    `written`. Not `deep`: what fills a slot is named without its own options.
    """
    fields = type(component).model_fields
    first = [name for name in written or () if name in fields]
    chosen: dict[str, str] = {}
    for name in dict.fromkeys((*first, *fields)):
        value, default = getattr(component, name), fields[name].default
        derived = written is not None and default is None and not isinstance(value, Component)
        if value is not None and value != default and (name in first or not derived):
            chosen[name] = _value(value, deep)
    return chosen


def block_options(plan: Plan, block: BlockType, *, deep: bool = True) -> dict[str, str]:
    """The options of a block's mixer: as the recipe wrote them; all that matter where an override did."""
    written = plan.canonical.blocks.get(block.name)
    if written is None or block.origin[:1] != ("blocks",) or not written.options:
        return options(block.mixer, deep=deep)
    return options(block.mixer, written.options, deep=deep)


def besides(block: BlockType) -> Iterator[str]:
    """What a block has besides mixers, norm and residual, in words: factors, what it reads, what it shares."""
    if block.join:
        yield f"join {block.join}"
    if block.out_norm is not None and block.residual != "sandwich":
        yield f"out_norm {block.out_norm.name}"
    for branch in block.branches:
        whose = f" of {branch.entry}" if block.join else ""
        if branch.norm is not None:
            yield f"norm {branch.norm.name}{whose}"
        if branch.unnormed:
            yield f"no norm{whose}"
        if branch.out_norm is not None:
            yield f"out_norm {branch.out_norm.name}{whose}"
        if branch.scale != 1:
            yield f"scale {branch.scale:g}{whose}"
        if branch.layer_scale is not None:
            yield f"layer_scale {branch.layer_scale:g}{whose}"
        if branch.memory is not None:
            yield f"reads the {branch.memory}"
    for key in ("scale", "alpha"):
        if getattr(block, key) != 1:
            yield f"{key} {getattr(block, key):.4g}"
    if block.layer_scale is not None:
        yield f"layer_scale {block.layer_scale:g}"
    if block.kv_from is not None:
        yield f"keys and values of {block.kv_from}"
    if block.share is not None:
        yield (
            "one set of parameters for all"
            if block.share == block.name
            else f"shares the parameters of {block.share}"
        )
    if block.adapter is not None:
        yield f"an adapter for each: {block.adapter.name} {sentence(options(block.adapter, ()))}".strip()


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


def first_line(component: Component) -> str:
    """What a component is, in the first sentence of its description."""
    text = " ".join((type(component).__doc__ or component.name).split("\n\n")[0].split())
    head, stop, _ = text.partition("). ")
    return (head + ")" if stop else text).rstrip(".")
