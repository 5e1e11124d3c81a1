"""Auditing a built model: whether what each component declared is what its module holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks import BlockGraph, Diagnostic, Plan, Registry

if TYPE_CHECKING:
    from torch import nn

KINDS = ("mixer", "norm")


def wrong_costs(model: nn.Module, graph: BlockGraph, registry: Registry) -> list[Diagnostic]:
    """One finding for each component whose declared parameters are not those of its module; names the plugin.

    A component that stands at many places is looked at once.
    """
    plan: Plan = graph.graph["plan"]
    modules = dict(model.named_modules())
    seen: set[int] = set()
    found: list[Diagnostic] = []
    for node in graph.walk():
        component = node.component
        if (
            component is None
            or component.kind not in KINDS
            or id(component) in seen
            or node.path not in modules
        ):
            continue
        seen.add(id(component))
        width = getattr(node, "width", None) or plan.sizes.d_model
        declared = component.cost().parameters(width)
        held = sum(parameter.numel() for parameter in modules[node.path].parameters())
        if declared == held:
            continue
        plugin = registry.find(component.kind, component.name).plugin
        found.append(
            Diagnostic(
                "B0610",
                f"{component.kind} {component.name!r} of {plugin.title} declares {declared:,} parameters, and its "
                f"module at {node.path} has {held:,}",
                help=f"the model is whole; what `show` and `cost` say of it is not: tell the authors of "
                f"{plugin.distribution}",
            )
        )
    return found
