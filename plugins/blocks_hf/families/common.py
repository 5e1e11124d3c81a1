"""What families share: activations, rotary positions and norms in the words of config.json, and how plans are read.

`Found` reads a plan for an importer's `config`: what it asks for and the plan lacks is a LookupError.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import nextafter
from typing import Any

from blocks import Component, Mixer, Plan
from blocks.foreign_config import Config

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

SCALINGS = {"default": "none", "linear": "linear", "dynamic": "dynamic", "yarn": "yarn", "llama3": "llama3"}
"""Names of transformers' scalings -> ours."""
_FACTORS = {
    "factor": "factor",
    "low_freq_factor": "low_freq_factor",
    "high_freq_factor": "high_freq_factor",
    "original_max_position_embeddings": "original_max_len",
    "attention_factor": "attention_factor",
    "beta_fast": "beta_fast",
    "beta_slow": "beta_slow",
}
"""Keys of a scaling -> options of ours."""
_DYNAMIC = (
    "Dynamic scaling: beyond {} tokens a token turns by the length up to it, so that prompts and steps agree; "
    "transformers turns a whole prompt by its own length, and agrees with this step by step alone."
)


def rope(
    config: Config,
    *,
    theta: float = 10000.0,
    theta_key: str = "rope_theta",
    rotary_dim: int | None = None,
    scalings: Mapping[str, str] = SCALINGS,
) -> dict[str, Any]:
    """The rotary position of a config: `rope_parameters`, or the older `rope_theta` and `rope_scaling`.

    `theta_key` is an older name of `rope_theta`, `scalings` what the family calls those it has.
    `max_position_embeddings` bounds no result, but dynamic scaling starts there, and yarn where it is not told
    otherwise.
    """
    longest = config.get("max_position_embeddings", None)
    said = _scaling(config)
    options: dict[str, Any] = {"theta": float(config.number(theta_key, theta)), "rotary_dim": rotary_dim}
    if said is not None:
        kind = "rope_type" if "rope_type" in said.values or "type" not in said.values else "type"
        said.get("type", None)
        scaling = said.choice(kind, scalings, "default")
        if said.findings:  # what else it says is of a scaling that is not read
            said.all_read()
        options |= {"theta": float(said.number("rope_theta", options["theta"])), "scaling": scaling}
        if rotary_dim is None:
            said.only("partial_rotary_factor", 1.0, 1)
        if scaling == "dynamic":
            said.only("original_max_position_embeddings", longest)
            config.note(_DYNAMIC.format(longest))
        if scaling != "none":
            options |= {ours: said.get(theirs) for theirs, ours in _FACTORS.items() if theirs in said.values}
            options["factor"] = float(said.number("factor"))
        if scaling in ("dynamic", "yarn") and "original_max_len" not in options:
            options["original_max_len"] = longest
    return {"rope": options}


def rotary_channels(
    config: Config, head_dim: int, *, key: str = "partial_rotary_factor", part: float = 1.0
) -> int | None:
    """Channels of a head that are turned, None for all: a part of them, under `key` in older configs."""
    part = config.number(key, part)
    said = _scaling(config)
    if said is not None:
        part = said.number("partial_rotary_factor", part)
    turned = int(head_dim * part)
    return None if turned == head_dim else turned


def _scaling(config: Config) -> Config | None:
    """What is said of rotary positions; the older key counts more, as in transformers."""
    return config.inner("rope_scaling") or config.inner("rope_parameters")


def rope_parameters(position: Component | None, head_dim: int | None = None) -> dict[str, Any]:
    """The `rope_parameters` that say a rotary position. Raises LookupError where none can.

    `head_dim` where the family may turn a part of the channels.
    """
    if position is None or position.name != "rope" or get(position, "interleaved"):
        raise LookupError("rope")
    theirs = {ours: key for key, ours in _FACTORS.items()}
    kind = {ours: name for name, ours in SCALINGS.items()}[get(position, "scaling")]
    found = {theirs[name]: get(position, name) for name in theirs if get(position, name) is not None}
    if head_dim is not None:
        found["partial_rotary_factor"] = _part(get(position, "rotary_dim") or head_dim, head_dim)
    return {"rope_type": kind, "rope_theta": get(position, "theta")} | found


def _part(turned: int, head_dim: int) -> float:
    """The factor of which int(head_dim * factor) is `turned`: a hair more than the quotient for 30 of 44."""
    part = turned / head_dim
    return part if int(head_dim * part) == turned else nextafter(part, 1.0)


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
