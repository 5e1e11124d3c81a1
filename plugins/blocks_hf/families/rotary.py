"""Rotary positions in the words of config.json, today's and older ones, and back."""

from __future__ import annotations

from collections.abc import Mapping
from math import nextafter
from typing import Any

from blocks import Component
from blocks.foreign_config import Config
from blocks_hf.families.common import get

SCALINGS = {
    "default": "none", "linear": "linear", "dynamic": "dynamic", "yarn": "yarn", "longrope": "longrope",
    "llama3": "llama3",
}  # fmt: skip
"""Names of transformers' scalings -> ours."""
_FACTORS = {
    "factor": "factor",
    "low_freq_factor": "low_freq_factor",
    "high_freq_factor": "high_freq_factor",
    "original_max_position_embeddings": "original_max_len",
    "attention_factor": "attention_factor",
    "beta_fast": "beta_fast",
    "beta_slow": "beta_slow",
    "short_factor": "short_factor",
    "long_factor": "long_factor",
}
"""Keys of a scaling -> options of ours."""
_DYNAMIC = (
    "Dynamic scaling: beyond {} tokens a token turns by the length up to it, so that prompts and steps agree; "
    "transformers turns a whole prompt by its own length, and agrees with this step by step alone."
)
_LONGROPE = (
    "LongRoPE: the first {} tokens turn by short_factor, those after by long_factor, so that prompts and steps agree; "
    "transformers turns all tokens of a longer call by long_factor: for such texts add long_after: 0."
)


def rope(
    config: Config,
    *,
    theta: float = 10000.0,
    theta_key: str = "rope_theta",
    rotary_dim: int | None = None,
    scalings: Mapping[str, str] = SCALINGS,
    original: int | None = None,
) -> dict[str, Any]:
    """The rotary position of a config: `rope_parameters`, or the older `rope_theta` and `rope_scaling`.

    `theta_key` is an older name of `rope_theta`, `scalings` what the family calls those it has, `original` the context
    of the unscaled model where the family says it elsewhere. `max_position_embeddings` bounds no result, but dynamic
    scaling starts there, and so do yarn and longrope where they are not told otherwise.
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
        if original is not None:
            said.only("original_max_position_embeddings", original)
        if scaling != "none":
            options |= {ours: said.get(theirs, None) for theirs, ours in _FACTORS.items()}
        if scaling in ("dynamic", "yarn", "longrope"):
            options["original_max_len"] = original or options["original_max_len"] or longest
        if scaling == "longrope":
            original = options["original_max_len"]
            options["factor"] = said.number("factor", config.size("max_position_embeddings") / original)
            config.note(_LONGROPE.format(original))
        elif scaling != "none":
            options["factor"] = float(said.number("factor"))
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
    found |= {key: list(value) for key, value in found.items() if isinstance(value, tuple)}
    if get(position, "long_after") not in (None, get(position, "original_max_len")):
        raise LookupError("long_after")
    if head_dim is not None:
        found["partial_rotary_factor"] = _part(get(position, "rotary_dim") or head_dim, head_dim)
    return {"rope_type": kind, "rope_theta": get(position, "theta")} | found


def _part(turned: int, head_dim: int) -> float:
    """The factor of which int(head_dim * factor) is `turned`: a hair more than the quotient for 30 of 44."""
    part = turned / head_dim
    return part if int(head_dim * part) == turned else nextafter(part, 1.0)
