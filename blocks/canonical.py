"""The canonical recipe of a plan: the same layout, in its own words, with every default spelled out.

It loads again to an equal plan, and printing that plan gives the same text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from blocks import literal, selectors
from blocks.component import Component, Mixer, Norm
from blocks.layout import LayoutError
from blocks.literal import Tree
from blocks.plan import BlockType, Plan, PlannedStage
from blocks.recipe import AROUND, STRUCTURE, Recipe, Stack
from blocks.resolve import component_kind
from blocks.training import PlannedTraining, Training
from blocks.yaml_text import TAKEN, WIDTH, scalar, wrapped

DOES = ("mixer", "parallel")


def canonical(plan: Plan) -> str:
    """The canonical YAML text of what `plan` stands for."""
    return "\n".join(_recipe(plan)) + "\n"


def _recipe(plan: Plan) -> Iterator[str]:
    yield f"recipe: {scalar(plan.name)}"
    if plan.about:
        yield from _about(plan.about)
    yield f"d_model: {plan.sizes.d_model}"
    if plan.sizes.vocab_size is not None:
        yield f"vocab_size: {plan.sizes.vocab_size}"
    if plan.tokenizer is not None:
        yield from wrapped("tokenizer: ", _slot(plan.tokenizer))
    if plan.vocabulary:
        yield ""
        yield "blocks:"
        width = max(len(scalar(name)) for name in plan.vocabulary) + 1
        mixers = _mixers(plan)
        for name, block in plan.vocabulary.items():
            head = f"  {scalar(name) + ':':<{width}} "
            yield from wrapped(head, _block(plan.canonical, name, block, mixers[name]))
    yield ""
    yield "model:"
    for stream in plan.streams:
        if stream.name:
            yield f"  {stream.name}:"
        yield from _stages(plan, stream.stages, "    " if stream.name else "  ")
    if plan.training is not None:
        yield ""
        yield "train:"
        for key, value in training_tree(plan.training).items():
            yield from wrapped(f"  {key}: ", value)


def training_tree(training: PlannedTraining) -> dict[str, Any]:
    """The `train:` section in plain values, every default with it; what is off by default is left out where it is."""
    found: dict[str, Any] = {}
    for key in Training.model_fields:
        value = getattr(training, key)
        if isinstance(value, Component):
            value = _slot(value)
        elif key == "checkpoint":
            value = list(training.selectors)
        elif key == "auxiliary":
            value = {term.name: weight for term, weight in value}
        elif key == "clip" and value is None:
            value = "none"
        if value is not None and value not in ([], {}):
            found[key] = value
    return found


def _stages(plan: Plan, stages: Sequence[PlannedStage], indent: str) -> Iterator[str]:
    heads: list[PlannedStage] = []
    for stage in stages:
        if stage.name:
            heads.append(stage)
        elif stage.component is not None:
            yield from wrapped(f"{indent}- {stage.origin[-1]}: ", _slot(stage.component))
        else:
            stack: Any = plan.canonical.model
            for part in stage.origin[1:]:
                stack = (
                    stack[part] if isinstance(part, int) or isinstance(stack, dict) else getattr(stack, part)
                )
            yield f"{indent}- stack:"
            yield from _stack(plan.canonical, stack, stage, f"{indent}    ")
    if heads:
        named = {stage.name: _slot(stage.component) for stage in heads if stage.component is not None}
        yield from wrapped(f"{indent}- heads: ", named)


def _about(text: str) -> Iterator[str]:
    lines = text.removesuffix("\n").split("\n")
    readable = all(line.isprintable() and line == line.strip() and line for line in lines)
    if len(lines) == 1 and len(text) + 7 <= WIDTH and not text.endswith("\n"):
        yield f"about: {scalar(text)}"
    elif readable and not text.endswith("\n\n"):
        yield "about: |" if text.endswith("\n") else "about: |-"
        yield from (f"  {line}" for line in lines)
    else:
        yield f"about: {scalar(text)}"


# Blocks -------------------------------------------------------------------------------------------


def _options(component: Component) -> dict[str, Any]:
    """Every option with its value; an absent one only where that is not the default."""
    found: dict[str, Any] = {}
    for name, info in type(component).model_fields.items():
        value = getattr(component, name)
        if isinstance(value, Component):
            found[name] = _slot(value)
        elif value is not None:
            found[name] = value
        elif component_kind(info.annotation):
            found[name] = "none"
        elif info.default is not None:
            found[name] = None
    return found


def _slot(component: Component) -> Any:
    options = _options(component)
    return {component.name: options} if options else component.name


def _norm(norm: Norm | None) -> Any:
    return _slot(norm) if norm is not None else "none"


def _mixers(plan: Plan) -> dict[str, list[Mixer]]:
    """Entry -> the mixers that it stands for: one, or as many as the widths that it is used at."""
    used = dict.fromkeys(kind for layer in plan.layers for kind in (layer.base, layer.type))
    whole = {layer.base for layer in plan.layers} | set(plan.vocabulary.values())
    found: dict[str, list[Mixer]] = {name: [] for name in plan.vocabulary}
    for kind in dict.fromkeys((*plan.vocabulary.values(), *used)):
        if kind.join:
            for branch in kind.branches:
                found[branch.entry].append(branch.mixer)
        elif kind in whole:
            found[kind.name].append(kind.mixer)
    return found


def _block(recipe: Recipe, name: str, block: BlockType, mixers: Sequence[Mixer]) -> dict[str, Any]:
    """An entry; options that follow the width are left out where it is used at several."""
    written = recipe.blocks[name]
    found = _does(block, written.parallel)
    if block.join and written.join is None:
        found.pop("join")
    if not block.join:
        several = [_options(mixer) for mixer in mixers]
        found = {
            key: value
            for key, value in found.items()
            if key == "mixer" or all(options.get(key) == value for options in several)
        }
    structure = _structure(block)
    for key in STRUCTURE:
        if getattr(written, key) is not None and key not in ("mixer", "parallel", "join"):
            found[key] = "deepnorm" if getattr(written, key) == "deepnorm" else structure[key]
    return found


def _does(block: BlockType, parallel: Sequence[str] | None) -> dict[str, Any]:
    """The mixer of a block with its options, or what runs in parallel."""
    if block.join:
        return {"parallel": list(parallel or ()), "join": block.join}
    return {"mixer": block.mixer.name, **_options(block.mixer)}


def _structure(block: BlockType) -> dict[str, Any]:
    """What stands around the mixer, by key of a block."""
    return {
        "norm": _norm(block.said_norm),
        "out_norm": _norm(block.out_norm),
        "residual": block.residual,
        "scale": block.scale,
        "layer_scale": block.layer_scale,
        "alpha": block.alpha,
        "share": block.share,
        "adapter": _slot(block.adapter) if block.adapter is not None else None,
        "memory": None if block.join else block.branches[0].memory,
        "kv_from": block.kv_from,
    }


# Stacks -------------------------------------------------------------------------------------------


def _stack(recipe: Recipe, stack: Stack, planned: PlannedStage, indent: str) -> Iterator[str]:
    if stack.name != "layers":
        yield f"{indent}name: {scalar(stack.name)}"
    if stack.interleave is not None or stack.cycle is not None:
        yield f"{indent}depth: {len(planned.layers)}"
    if stack.layers is not None:
        yield from _literal(literal.parse_literal(stack.layers), indent)
    if stack.pattern is not None:
        yield f"{indent}pattern: {json.dumps(stack.pattern, ensure_ascii=False)}"
        used = {layer.symbol: layer.type.name for layer in planned.layers} | (stack.symbols or {})
        yield from wrapped(f"{indent}symbols: ", used)
    for key in ("interleave", "cycle", "scatter"):
        value = getattr(stack, key)
        if value is not None:
            yield from wrapped(f"{indent}{key}: ", value)
    for key in AROUND:
        value = _of_stack(recipe, stack, planned, key)
        if value is not None:
            yield from wrapped(f"{indent}{key}: ", value)
    overrides = _overrides(stack, planned)
    if overrides:
        yield f"{indent}override:"
        for selector, change in overrides.items():
            yield from wrapped(f"{indent}  {scalar(selector)}: ", change)


def _of_stack(recipe: Recipe, stack: Stack, planned: PlannedStage, key: str) -> Any:
    """What a stack says of its blocks, as one of those that take it from the stack has it; None: nothing."""
    written = getattr(stack, key)
    if key == "residual" or written is None or written == "deepnorm":
        return written
    for name, block in planned.vocabulary.items():
        if getattr(recipe.blocks[name], key) is None:
            return _structure(block)[key]
    return None


def _literal(tree: Sequence[Tree], indent: str) -> Iterator[str]:
    items = [_tree(item) for item in tree]
    text = ", ".join(items)
    if not items:
        yield f"{indent}layers: []"
    elif len(indent) + 8 + len(text) <= WIDTH:
        yield f"{indent}layers: {_text(text)}"
    else:
        yield f"{indent}layers:"
        yield from (f"{indent}  - {_text(item)}" for item in items)


def _text(text: str) -> str:
    """A layout as a plain scalar: it starts with a letter or a digit and has no colon."""
    return scalar(text) if text.casefold() in TAKEN else text


def _tree(item: Tree) -> str:
    return item if isinstance(item, str) else f"{item[0]} x [{', '.join(map(_tree, item[1]))}]"


# Overrides ----------------------------------------------------------------------------------------


def _overrides(stack: Stack, planned: PlannedStage) -> dict[str, dict[str, Any]]:
    """Selector -> what differs from the vocabulary there; the written selectors where they still fit."""
    changes: dict[BlockType, list[dict[str, Any]]] = {}
    places: dict[str, tuple[dict[str, Any], list[int]]] = {}
    for index, layer in enumerate(planned.layers):
        if layer.type is not layer.base:
            if layer.type not in changes:
                changes[layer.type] = list(_changes(layer.base, layer.type))
            for change in changes[layer.type]:
                places.setdefault(repr(change), (change, []))[1].append(index)
    together: dict[tuple[int, ...], dict[str, Any]] = {}
    for change, indices in sorted(places.values(), key=lambda found: found[0].keys().isdisjoint(DOES)):
        together.setdefault(tuple(indices), {}).update(change)
    used = [layer.type.name for layer in planned.layers]
    written: dict[tuple[int, ...], str] = {}
    for selector in stack.override or {} if together else ():
        written.setdefault(tuple(_select(selector, used, stack.name)), selector)
    found: dict[str, dict[str, Any]] = {}
    for where, change in together.items():
        for run in [where] if where in written else _runs(where):
            found.setdefault(written.get(run) or _selector(run, stack.name), {}).update(change)
    return found


def _select(selector: str, used: Sequence[str], stack: str) -> list[int]:
    try:
        return selectors.select(selector, used, stack)
    except LayoutError as error:  # the plan was made with this selector
        raise AssertionError(error.message) from None


def _runs(indices: Iterable[int]) -> Iterator[tuple[int, ...]]:
    """Indices in runs of neighbours."""
    runs: list[list[int]] = []
    for index in indices:
        if runs and runs[-1][-1] == index - 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return map(tuple, runs)


def _selector(run: tuple[int, ...], stack: str) -> str:
    """The selector by index of neighbouring layers."""
    return f"{stack}[{run[0]}]" if len(run) == 1 else f"{stack}[{run[0]}:{run[-1] + 1}]"


def _changes(base: BlockType, made: BlockType) -> Iterator[dict[str, Any]]:
    """What overrides have to say to turn one block into the other, in parts that stand for themselves."""
    options, before = _options(made.mixer), _options(base.mixer)
    if made.join or base.join:
        does, did = (_does(block, [branch.entry for branch in block.branches]) for block in (made, base))
        if does != did:
            yield does
    elif (made.mixer.name, type(made.mixer)) != (base.mixer.name, type(base.mixer)):
        yield _does(made, None)
    else:
        for key in {**before, **options}:
            if options.get(key) != before.get(key):
                yield {key: options.get(key)}
    around, before = _structure(made), _structure(base)
    default = made.residual == "sandwich" and any(around[key] != before[key] for key in ("norm", "residual"))
    for key, value in around.items():
        if value != before[key] or (key == "out_norm" and default):  # it would follow the norm
            yield {key: value}
