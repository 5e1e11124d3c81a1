"""A recipe in plain mappings as a person would write it: one block a line, its sizes, and no other defaults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from blocks.component import Component
from blocks.recipe import STRUCTURE
from blocks.registry import Registry
from blocks.resolve import component_kind
from blocks.yaml_text import flow, scalar, wrapped

_OF_STAGE = {"embed": "embedding", "position": "position", "norm": "norm", "head": "head", "heads": "head"}
_SLOTS = {"norm": "norm", "out_norm": "norm"}


def recipe_text(tree: Mapping[str, Any], registry: Registry, about: str = "") -> str:
    """The YAML of a recipe. Left out are options that have their default, but for sizes of mixers, and what is None."""
    lines = [f"# {line}" for line in about.splitlines()]
    for key, value in tree.items():
        if value is None or key in ("blocks", "model"):
            continue
        lines += wrapped(f"{key}: ", value)
    vocabulary = {name: _block(block, registry) for name, block in tree.get("blocks", {}).items()}
    if vocabulary:
        width = max(map(len, vocabulary)) + 1
        lines += ["", "blocks:"]
        for name, block in vocabulary.items():
            lines += wrapped(f"  {scalar(name) + ':':<{width}} ", block)
    lines += ["", "model:"]
    model = tree["model"]
    for stream, stages in model.items() if isinstance(model, Mapping) else [("", model)]:
        indent = "    " if stream else "  "
        lines += [f"  {stream}:"] if stream else []
        for stage in stages:
            lines += _stage(stage, registry, indent)
    return "\n".join(lines) + "\n"


def _stage(stage: Mapping[str, Any], registry: Registry, indent: str) -> Iterator[str]:
    [(key, value)] = stage.items()
    if key == "heads":
        heads = {name: _slot("head", slot, registry) for name, slot in value.items()}
        yield from wrapped(f"{indent}- heads: ", heads)
    elif key != "stack":
        yield from wrapped(f"{indent}- {key}: ", _slot(_OF_STAGE[key], value, registry))
    else:
        said = {name: _around(name, inner, registry) for name, inner in value.items() if inner is not None}
        said = {name: inner for name, inner in said.items() if (name, inner) not in _USUAL}
        flat = f"{indent}- stack: {flow(said)}"
        if len(flat) <= 110 and "layers" not in said:
            yield flat
            return
        yield f"{indent}- stack:"
        for name, inner in said.items():
            if name == "layers":
                yield f"{indent}    layers: {inner}"
            else:
                yield from wrapped(f"{indent}    {name}: ", inner)


_USUAL = (("norm", "rmsnorm"), ("residual", "pre"))
"""What a stack says where nothing is said."""


def _around(name: str, value: Any, registry: Registry) -> Any:
    return _slot(_SLOTS[name], value, registry) if name in _SLOTS else value


def _block(block: Mapping[str, Any], registry: Registry) -> dict[str, Any]:
    structure = {k: _around(k, v, registry) for k, v in block.items() if k in STRUCTURE and v is not None}
    if "mixer" not in block:
        return structure
    rest = {key: value for key, value in block.items() if key not in STRUCTURE}
    return structure | _options("mixer", block["mixer"], rest, registry)


def _slot(kind: str, value: Any, registry: Registry) -> Any:
    """A choice without the options that have their default."""
    if not isinstance(value, Mapping):
        return value
    [(name, options)] = value.items()
    kept = _options(kind, name, options, registry)
    return {name: kept} if kept else name


def _options(kind: str, name: str, options: Mapping[str, Any], registry: Registry) -> dict[str, Any]:
    declared: type[Component] = registry.find(kind, name).load()
    kept: dict[str, Any] = {}
    for key, value in options.items():
        field = declared.model_fields.get(key)
        size = kind == "mixer" and type(value) is int  # worth saying, whatever the default
        if value is None or (field is not None and _same(value, field.default) and not size):
            continue
        slot = component_kind(field.annotation) if field is not None else None
        kept[key] = _slot(slot, value, registry) if slot else _whole(value)
    return kept


def _whole(value: Any) -> Any:
    """A number without `.0`."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e9 else value


def _same(value: Any, default: Any) -> bool:
    return type(value) is type(default) and value == default
