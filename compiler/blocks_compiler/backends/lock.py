"""The lock file: a recipe fully expanded, with the distributions and versions of every component it names."""

from __future__ import annotations

from dataclasses import replace

from blocks import Component, Plan, Registry
from blocks.canonical import canonical


def lock(plan: Plan, registry: Registry) -> str:
    """The text of `recipe.lock.yaml`; it loads to the same model, where the folder has its tokenizer beside it."""
    if plan.tokenizer is not None:
        plan = replace(plan, tokenizer=plan.tokenizer.kept())
    found: dict[str, str] = {}
    for component in _components(plan):
        entry = registry.find(component.kind, component.name)
        found[entry.plugin.distribution] = entry.plugin.version
    rows = "".join(f"  {name}: {version!r}\n" for name, version in sorted(found.items()))
    head = f"# {plan.name}, fully expanded: every default is written out. Building this file gives the same model.\n"
    return f"{head}{canonical(plan)}\nplugins:\n{rows}"


def _components(plan: Plan) -> list[Component]:
    top: list[Component | None] = [stage.component for stage in plan.stages]
    for kind in dict.fromkeys(layer.type for layer in plan.layers):
        top += [component for component, _ in kind.components()]
    if plan.tokenizer is not None:
        top.append(plan.tokenizer)
    if plan.training is not None:
        top += [plan.training.objective, plan.training.optimizer, plan.training.schedule]
        top += [term for term, _ in plan.training.auxiliary]
    found: list[Component] = []
    for component in top:
        if component is not None:
            found += [component, *(v for _, v in component if isinstance(v, Component))]
    return found
