"""Nemotron-H (Blakeman et al. 2025, arXiv:2504.03624)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from blocks import Plan
from blocks.foreign_config import Config
from blocks.importer import Importer, Rule, Tree
from blocks_hf.families import states
from blocks_hf.families.common import ACTIVATIONS, Found, get, swapped
from blocks_hf.families.decoders import attention_rules, heads
from blocks_hf.families.experts import DEFAULTS, experts, experts_rules, found_experts

_LETTERS = {"M": "mamba2", "*": "attention", "-": "ffn", "E": "experts"}
_KINDS = {
    "linear_attention": "mamba2", "full_attention": "attention", "mlp": "ffn", "moe": "experts", "mamba": "mamba2",
    "attention": "attention",
}  # fmt: skip
_KEYS = states.KEYS | {
    "n_heads": "mamba_num_heads",
    "head_dim": "mamba_head_dim",
    "d_state": "ssm_state_size",
}
_OURS = {"mlp": "ffn", "mamba2": "mamba2", "moe": "experts"}
_ATTENTION = {"n_heads": "num_attention_heads", "n_kv_heads": "num_key_value_heads", "head_dim": "head_dim"}
_OLDER = {
    "attention_head_dim": "head_dim", "mamba_n_groups": "n_groups", "mamba_d_conv": "conv_kernel",
    "mamba_conv_bias": "use_conv_bias", "mamba_dt_limit": "time_step_limit", "mamba_dt_min": "time_step_min",
}  # fmt: skip
_RAISED = "Time steps stay as they are; transformers raises those below {:g} to it in a prompt, not in cached decoding."
_LIMITED = "Time steps keep to their limits; transformers has none in this family."


class NemotronH(Importer):
    """Mamba-2, attention without positions, FFN and mixtures of experts in any order, each a pre-norm block of its own.

    transformers raises time steps below `time_step_min` to it in a prompt, whatever `time_step_limit` says, and
    not where it decodes with its cache. That is no part of the architecture: here both are the same model.
    """

    model_type = "nemotron_h"
    architectures = {"NemotronHForCausalLM": "lm", "NemotronHModel": ""}  # noqa: RUF012
    defaults = {  # noqa: RUF012
        "vocab_size": 131072, "hidden_size": 4096, "mamba_num_heads": 128, "mamba_head_dim": 64, "ssm_state_size": 128,
        "n_groups": 8, "conv_kernel": 4, "use_bias": False, "use_conv_bias": True, "mamba_hidden_act": "silu",
        "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 21504,
        "mlp_hidden_act": "relu2", "mlp_bias": False, "layer_norm_epsilon": 1e-5, "tie_word_embeddings": False,
        "time_step_min": 0.001, **DEFAULTS,
    }  # fmt: skip
    prefix = "backbone."
    renamed = {"model.": "backbone."}  # noqa: RUF012
    outside = ("lm_head.", "mtp.")
    spare = ("mtp.",)  # heads that guess tokens after the next one, which transformers leaves out too
    harmless = (
        *states.HARMLESS, "expand", "mamba_expand",  # the heads say the width
        "max_position_embeddings", "rope_theta", "partial_rotary_factor",  # no block encodes positions
        *DEFAULTS, "moe_shared_expert_overlap", "num_nextn_predict_layers", "mtp_layers_block_type",
        "mtp_hybrid_override_pattern",  # the former are read where there are blocks of experts
    )  # fmt: skip

    def recipe(self, config: Config) -> Tree:
        order = _order(config)
        mamba2 = states.mamba2(config, _KEYS, "mamba_hidden_act", _LIMITED)
        ffn = {
            "mixer": "mlp", "d_ff": config.size("intermediate_size"),
            "activation": config.choice("mlp_hidden_act", ACTIVATIONS), "bias": config.flag("mlp_bias"),
        }  # fmt: skip
        for key, value in {
            "rms_norm_eps": mamba2["eps"], "num_hidden_layers": len(order), "attention_bias": False,
            "sliding_window": None, "tie_word_embeddings": False
        }.items():  # fmt: skip
            config.only(key, value)
        if "mamba2" in order and (lowest := config.number("time_step_min")) > 0:
            config.note(_RAISED.format(lowest))
        config.only("mamba_proj_bias", False, mamba2["bias"])  # nobody reads it; use_bias says it
        mixed = {"experts": experts(config)} if "experts" in order else {}
        blocks = {"mamba2": mamba2, "attention": heads(config), "ffn": ffn, **mixed}
        return states.backbone(self, config, blocks, order, eps=mamba2["eps"])

    def weights(self, config: Config) -> Iterator[Rule]:
        order = _order(config)
        yield from states.backbone_rules(len(order))
        for i, kind in enumerate(order):
            ours, theirs = f"layers.{i}.mixer", f"backbone.layers.{i}.mixer"
            if kind == "mamba2":
                yield from states.scan_rules(ours, theirs, "norm")
            elif kind == "attention":
                yield from attention_rules(ours, theirs, config)
            elif kind == "experts":
                yield from experts_rules(ours, theirs)
            else:
                yield Rule(f"{ours}.in_proj", f"{theirs}.up_proj")
                yield Rule(f"{ours}.out_proj", f"{theirs}.down_proj")

    def config(self, plan: Plan) -> dict[str, Any] | None:
        found = Found(plan)
        order = [_OURS.get(mixer.name, "attention") for mixer in found.mixers()]
        parts = dict(zip(order, found.mixers(), strict=True))
        keys = states.found_mamba2(parts["mamba2"], _KEYS)
        if "time_step_limit" in keys:  # transformers does not keep to it
            return None
        if attention := parts.get("attention"):
            keys |= {key: get(attention, option) for option, key in _ATTENTION.items()}
        if "experts" in parts:
            keys |= found_experts(parts["experts"])
        if ffn := parts.get("ffn"):
            keys |= {"intermediate_size": get(ffn, "d_ff"), "mlp_bias": get(ffn, "bias")}
            keys |= {"mlp_hidden_act": swapped(ACTIVATIONS)[get(ffn, "activation")]}
        keys["layers_block_type"] = [swapped(_KINDS)[kind] for kind in order]
        return states.found_backbone(self, found) | keys


def _order(config: Config) -> list[str]:
    """The kinds of the blocks in order, from a list of names or a pattern of letters."""
    for older, key in _OLDER.items():
        config.renamed(older, key)
    return states.layout(config, layers_block_type=_KINDS, hybrid_override_pattern=_LETTERS)
