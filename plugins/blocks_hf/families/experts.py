"""Mixtures of experts as DeepSeek-V3 routes them: sigmoids, and a bias that counts in the choice alone.

DeepSeek-AI 2024, "DeepSeek-V3 Technical Report", arXiv:2412.19437, equations 12 to 16.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from blocks import Mixer
from blocks.foreign_config import Config
from blocks.importer import Rule, Tree, stacked
from blocks_hf.families.common import ACTIVATIONS, get, swapped

DEFAULTS: Mapping[str, Any] = {
    "n_routed_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 7688, "moe_latent_size": None,
    "moe_shared_expert_intermediate_size": 7688, "n_shared_experts": 1, "norm_topk_prob": True,
    "routed_scaling_factor": 1.0, "n_group": 1, "topk_group": 1,
}  # fmt: skip
"""Keys that say them, and what they mean where they are missing."""

_OPTIONS = {
    "n_experts": "n_routed_experts",
    "top_k": "num_experts_per_tok",
    "d_ff": "moe_intermediate_size",
    "latent": "moe_latent_size",
    "shared_d_ff": "moe_shared_expert_intermediate_size",
    "renormalise": "norm_topk_prob",
    "routed_scale": "routed_scaling_factor",
}


def experts(config: Config) -> Tree:
    """Plain experts, one more that every token passes, and where asked channels of their own between two maps."""
    for key in ("n_group", "topk_group", "n_shared_experts"):
        config.only(key, 1)
    config.only("mlp_bias", False)  # it would be that of all but the experts
    return {
        "mixer": "moe",
        **{option: config.size(_OPTIONS[option]) for option in ("n_experts", "top_k", "d_ff", "shared_d_ff")},
        "latent": config.size("moe_latent_size", None),
        "activation": config.choice("mlp_hidden_act", ACTIVATIONS),
        "scoring": "sigmoid",
        "renormalise": config.flag("norm_topk_prob"),
        "routed_scale": float(config.number("routed_scaling_factor")),
        "choice_bias": True,
    }


def experts_rules(ours: str, theirs: str) -> Iterator[Rule]:
    """Experts one by one there, in one tensor here."""
    yield Rule(f"{ours}.router", f"{theirs}.gate")
    yield Rule(f"{ours}.router.choice_bias", f"{theirs}.gate.e_score_correction_bias")
    for mine, name in (("in", "up"), ("out", "down")):
        yield Rule(f"{ours}.{mine}_proj", f"{theirs}.experts.{{e}}.{name}_proj", stacked)
        yield Rule(f"{ours}.shared.{mine}_proj", f"{theirs}.shared_experts.{name}_proj")
    yield Rule(f"{ours}.latent_in", f"{theirs}.fc1_latent_proj")
    yield Rule(f"{ours}.latent_out", f"{theirs}.fc2_latent_proj")


def found_experts(moe: Mixer) -> Tree:
    """The keys that say a mixer."""
    keys = {key: get(moe, option) for option, key in _OPTIONS.items()}
    return keys | {"mlp_hidden_act": swapped(ACTIVATIONS).get(get(moe, "activation"))}
