"""What families share: activations in the words of config.json, and how plans are read.

`Found` reads a plan for an importer's `config`: what it asks for and the plan lacks is a LookupError.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blocks import Component, Mixer, Plan

ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_accurate": "gelu_tanh",
    "gelu_python_tanh": "gelu_tanh",
    "gelu_python": "gelu",
    "relu": "relu",
    "relu2": "relu2",
    "silu": "silu",
    "swish": "silu",
}
"""Names of transformers' activations -> ours."""
_GATED = {"gelu": "geglu", "gelu_tanh": "geglu_tanh", "relu": "reglu", "silu": "swiglu"}
GATES = {"gelu_pytorch_tanh": "geglu_tanh"} | {
    theirs: _GATED[ours] for theirs, ours in ACTIVATIONS.items() if ours in _GATED
}
"""The same where the activation is that of a gate."""


def get(component: Component | None, option: str) -> Any:
    """An option of a component. Raises LookupError where there is none."""
    if component is None or option not in type(component).model_fields:
        raise LookupError(option)
    return getattr(component, option)


class Found:
    """The components of a plan, as an importer's `config` asks for them; `stream` is one of several."""

    def __init__(self, plan: Plan, stream: str = "") -> None:
        self.plan = plan
        self.stages = [stage for stage in plan.stages if stage.stream == stream or not stream]
        self.layers = [layer for stage in self.stages for layer in stage.layers]

    def stage(self, role: str) -> Component:
        """The component of the first stage of a role."""
        found: Component = self._first(stage.component for stage in self.stages if stage.role == role)
        return found

    def mixer(self, *names: str) -> Any:
        """The first mixer that is registered under one of these names."""
        kinds = (branch.mixer for layer in self.layers for branch in layer.type.branches)
        return self._first(mixer for mixer in kinds if mixer.name in names)

    def attention(self) -> Any:
        """The first mixer with queries and keys."""
        return self._first(mixer for mixer in self.mixers() if "n_kv_heads" in type(mixer).model_fields)

    def mixers(self) -> list[Mixer]:
        """Every mixer of every block, in order."""
        return [branch.mixer for layer in self.layers for branch in layer.type.branches]

    def norm(self) -> Any:
        """The norm of the first block."""
        return self._first(layer.type.said_norm or layer.type.norm for layer in self.layers)

    def tied(self) -> bool:
        """Whether the head reads the embedding's table."""
        return bool(get(self.stage("head"), "tied"))

    @staticmethod
    def _first(found: Any) -> Any:
        for component in found:
            if component is not None:
                return component
        raise LookupError("nothing of the kind")


def swapped(names: Mapping[str, str]) -> dict[str, str]:
    """Our names -> theirs, the first of several that mean the same."""
    back: dict[str, str] = {}
    for theirs, ours in names.items():
        back.setdefault(ours, theirs)
    return back
