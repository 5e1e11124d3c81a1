"""Sharing: parts of a model whose parameters are one and the same, by the path of their first use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from blocks.blocktype import BlockType, Layer
from blocks.component import Component
from blocks.reporting import Reporter
from blocks.validation import Path

if TYPE_CHECKING:
    from blocks.planned import PlannedStage


@dataclass(frozen=True, slots=True)
class Share:
    """The module at `path` is the module at `owner`; `parameters` are counted there alone."""

    path: str
    owner: str
    parameters: int


def share_layers(layers: Sequence[Layer], owners: dict[str, Layer], reporter: Reporter) -> tuple[Layer, ...]:
    """The layers with what they share; `owners` knows the first use of each group and is added to."""
    found: list[Layer] = []
    told: set[tuple[BlockType, BlockType]] = set()
    for layer in layers:
        group = layer.type.share
        if group is not None:
            owner = owners.setdefault(group, layer)
            if owner is not layer:
                pair = (owner.type, layer.type)
                wrong = None if layer.type is owner.type or pair in told else _difference(*pair)
                if wrong is not None:
                    told.add(pair)
                    here, there = _place(layer, wrong, reporter), _place(owner, wrong, reporter)
                    reporter.report(
                        "B0419",
                        f"{layer.path} and {owner.path} share the parameters of {group!r}, and differ in {wrong}",
                        here,
                        label=f"{layer.path} is made from this",
                        related=((there, f"{owner.path} from this"),) if there != here else (),
                        help="blocks of one group are alike but for their adapters",
                    )
                layer = replace(layer, shares=owner.path)
        found.append(layer)
    return tuple(found)


def _place(layer: Layer, option: str, reporter: Reporter) -> Path:
    """Where a block says an option; where it says it nowhere, where it says that it is shared."""
    said = (*layer.type.origin, option)
    return said if reporter.written(said) else (*layer.type.origin, "share")


def _difference(owner: BlockType, other: BlockType) -> str | None:
    """In what two kinds of block that share parameters differ; None if in nothing that counts."""
    if len(owner.branches) != len(other.branches) or owner.join != other.join:
        return "what runs in parallel"
    for one, two in zip(owner.branches, other.branches, strict=True):
        if type(one.mixer) is not type(two.mixer) or one.mixer.name != two.mixer.name:
            return f"their mixers, {one.mixer.name} and {two.mixer.name}"
        if one.name != two.name:
            return f"the names of their branches, {one.name} and {two.name}"
        if one.mixer.memory_width != two.mixer.memory_width:
            return "memory"
        if one.mixer.borrows != two.mixer.borrows:
            return "kv_from"
        for name in type(one.mixer).model_fields:
            if getattr(one.mixer, name) != getattr(two.mixer, name):
                return name
        if (one.norm, one.out_norm, one.layer_scale is None) != (
            two.norm,
            two.out_norm,
            two.layer_scale is None,
        ):
            return f"what stands around {one.name}"
    for name in ("width", "out_width", "norm", "out_norm"):
        if getattr(owner, name) != getattr(other, name):
            return name
    return "layer_scale" if (owner.layer_scale is None) != (other.layer_scale is None) else None


def layer_shares(layers: Sequence[Layer]) -> Iterator[Share]:
    """What later uses of a shared block share: the block as a whole, or its parts where they are used otherwise."""
    first: dict[str, BlockType] = {}
    for layer in layers:
        if layer.type.share is not None:
            first.setdefault(layer.path, layer.type)
        if layer.shares is None:
            continue
        kind = layer.type
        if kind.adapter is None and _alike(kind, first[layer.shares]):
            yield Share(layer.path, layer.shares, kind.parameters)
        else:
            for part, parameters in kind.parts():
                yield Share(f"{layer.path}.{part}", f"{layer.shares}.{part}", parameters)


def _alike(one: BlockType, two: BlockType) -> bool:
    """Whether two blocks with the same parameters do the same with them."""

    def around(kind: BlockType) -> tuple[object, ...]:
        branches = tuple((branch.scale, branch.memory, branch.unnormed) for branch in kind.branches)
        return kind.residual, kind.scale, kind.alpha, kind.adapter, branches

    return one is two or around(one) == around(two)


def group_shares(stages: Sequence[PlannedStage], reporter: Reporter) -> Iterator[Share]:
    """What components share by a group's name of their own: embeddings, the positions of mixers."""
    owners: dict[tuple[str, str], tuple[str, Component, Path]] = {}
    for path, component, parameters, origin in _grouped(stages):
        group = component.share_group()
        assert group is not None
        first, owner, there = owners.setdefault((component.kind, group), (path, component, origin))
        if first == path:
            continue
        if owner != component:
            reporter.report(
                "B0419",
                f"{path} and {first} share the parameters of {group!r}, and their options differ",
                origin,
                related=((there, f"{first} is first"),),
                help="give both the same options, or groups of their own",
            )
        yield Share(path, first, parameters)


def _grouped(stages: Sequence[PlannedStage]) -> Iterator[tuple[str, Component, int, Path]]:
    """Components with a group: path, component, parameters, origin."""
    known: dict[int, list[tuple[str, Component, int]]] = {}
    for stage in stages:
        if stage.component is not None:
            if stage.component.share_group() is not None:
                yield (
                    stage.path, stage.component, stage.component.cost().parameters(stage.width), stage.origin
                )  # fmt: skip
            continue
        for layer in stage.layers:
            if layer.shares is not None:
                continue
            for branch in layer.type.branches:
                if id(branch) not in known:
                    known[id(branch)] = list(_slots(branch.mixer, layer.type.width))
                for slot, component, parameters in known[id(branch)]:
                    yield f"{layer.path}.{branch.name}.{slot}", component, parameters, layer.type.origin


def _slots(component: Component, width: int) -> Iterator[tuple[str, Component, int]]:
    """The slots of a component that belong to a group, with their parameters."""
    whole = component.cost().parameters(width)
    for name, inner in component.slots().items():
        if inner.share_group() is not None:
            without = component.model_copy(update={name: None}).cost().parameters(width)
            yield name, inner, whole - without
