"""Mamba (Gu and Dao 2023, arXiv:2312.00752)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from blocks import Plan
from blocks.foreign_config import Config
from blocks.importer import Importer, Rule, Tree
from blocks_hf.families import states
from blocks_hf.families.common import Found, get


class Mamba(Importer):
    """One block again and again: a state space that each token steers, with neither attention nor FFN."""

    model_type = "mamba"
    architectures = {"MambaForCausalLM": "lm", "MambaModel": ""}  # noqa: RUF012
    defaults = {  # noqa: RUF012
        "vocab_size": 50280, "hidden_size": 768, "num_hidden_layers": 32, "expand": 2, "state_size": 16,
        "conv_kernel": 4, "time_step_rank": "auto", "use_bias": False, "use_conv_bias": True, "hidden_act": "silu",
        "layer_norm_epsilon": 1e-5, "tie_word_embeddings": True,
    }  # fmt: skip
    prefix = "backbone."
    renamed = {"embedding.": "embeddings."}  # noqa: RUF012
    harmless = states.HARMLESS

    def recipe(self, config: Config) -> Tree:
        d_model, layers = config.size("hidden_size"), config.depth("num_hidden_layers")
        d_inner = int(config.number("expand") * d_model)
        config.auto("time_step_rank", -(-d_model // 16))
        mamba = {
            "mixer": "mamba",
            "d_inner": d_inner,
            "d_state": config.size("state_size"),
            "d_conv": config.size("conv_kernel"),
            "dt_rank": config.size("time_step_rank"),
            "bias": config.flag("use_bias"),
            "conv_bias": config.flag("use_conv_bias"),
        }
        config.only("hidden_act", "silu", "swish")
        config.only("rms_norm", True)
        config.only("ssm_cfg", {})
        for key, size in {
            "intermediate_size": d_inner, "d_inner": d_inner, "d_model": d_model, "n_layer": layers
        }.items():  # fmt: skip
            config.only(key, size)
        eps = config.number("layer_norm_epsilon")
        return states.backbone(self, config, {"mamba": mamba}, ["mamba"] * layers, eps=eps)

    def weights(self, config: Config) -> Iterator[Rule]:
        layers = config.depth("num_hidden_layers")
        yield from states.backbone_rules(layers)
        for i in range(layers):
            ours, theirs = f"layers.{i}.mixer", f"backbone.layers.{i}.mixer"
            yield from states.scan_rules(ours, theirs, "x_proj")
            yield Rule(f"{ours}.dt_proj_weight", f"{theirs}.dt_proj.weight")
            yield Rule(f"{ours}.dt_proj_bias", f"{theirs}.dt_proj.bias")

    def config(self, plan: Plan) -> dict[str, Any] | None:
        found = Found(plan)
        mamba = found.mixer("mamba")
        expand, rest = divmod(get(mamba, "d_inner"), plan.sizes.d_model)
        if rest:  # transformers multiplies by a whole number
            return None
        return states.found_backbone(self, found) | {
            "num_hidden_layers": len(found.layers),
            "expand": expand,
            "state_size": get(mamba, "d_state"),
            "conv_kernel": get(mamba, "d_conv"),
            "time_step_rank": get(mamba, "dt_rank"),
            "use_bias": get(mamba, "bias"),
            "use_conv_bias": get(mamba, "conv_bias"),
            "layer_norm_epsilon": get(found.norm(), "eps"),
        }
