"""An op's implementations: the reference in plain torch, and faster ones with a predicate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blocks.component import Component


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
