"""An op's implementations: the reference in plain torch, and faster ones with a predicate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blocks.component import Component
    from blocks.registry import Registry

REFERENCE = "reference"
"""The implementation that every op has, and that is the truth."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a model is built for: torch's device type and dtype by name."""

    device: str = "cpu"
    dtype: str = "float32"


def _anywhere(target: Target, component: Component) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Kernel:
    """One implementation of an op, with the same signature as the op's reference.

    function  "package.module:function"
    runs      can it run at all on this target, for this component's sizes? (asked when it is named)
    prefers   should `auto` choose it? (asked of the implementations that run)
    """

    function: str
    runs: Callable[[Target, Component], bool] = _anywhere
    prefers: Callable[[Target, Component], bool] = _anywhere

    def load(self) -> Callable[..., Any]:
        """The function, whose module is imported now."""
        module, _, name = self.function.partition(":")
        found: Callable[..., Any] = getattr(import_module(module), name)
        return found


def implementations(registry: Registry, op: str) -> dict[str, Kernel]:
    """The registered implementations of an op, by name."""
    entries = (entry for entry in registry.of_kind("kernel") if entry.name.partition("/")[0] == op)
    return {entry.name.partition("/")[2]: entry.load() for entry in entries}


def choose(
    found: Mapping[str, Kernel], users: Iterable[Component], target: Target, policy: str = "auto"
) -> str:
    """The name of the implementation to use for all of these components on a target.

    `policy` is auto (the one that prefers this target, else the reference), reference, or a name, which is taken
    where it runs.
    """
    users = tuple(users)
    for name, kernel in found.items():
        if name == REFERENCE or policy not in ("auto", name):
            continue
        runs = all(kernel.runs(target, user) for user in users)
        if runs and (policy == name or all(kernel.prefers(target, user) for user in users)):
            return name
    return REFERENCE
