"""Llama (Touvron et al. 2023, arXiv:2302.13971; Llama 3: Grattafiori et al. 2024, arXiv:2407.21783)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from blocks import Plan
from blocks.foreign_config import Config
from blocks.importer import Importer, Rule, Tree
from blocks.spelling import spelled
from blocks_hf.families.common import Found, get, rope, rope_parameters
from blocks_hf.families.decoders import (
    attention_rules,
    causal_lm,
    causal_lm_rules,
    found_heads,
    gate,
    gated_rules,
    heads,
)


class Llama(Importer):
    """Grouped-query attention and a gated FFN in turn, pre-norm with RMSNorm, RoPE."""

    model_type = "llama"
    architectures = {"LlamaForCausalLM": "lm", "LlamaModel": ""}  # noqa: RUF012
    prefix = "model."
    unused = (".rotary_emb.inv_freq",)

    def recipe(self, config: Config) -> Tree:
        norm = {"rmsnorm": {"eps": config.number("rms_norm_eps", 1e-6)}}
        bias = config.flag("attention_bias", False)
        attention = {**heads(config), "qkv_bias": bias, "out_bias": bias}
        ffn = {
            "mixer": "gated_mlp",
            "d_ff": config.size("intermediate_size", 11008),
            "activation": gate(config),
            "bias": config.flag("mlp_bias", False),
        }
        layers = ["attention", "ffn"] * config.size("num_hidden_layers", 32)
        return {
            "d_model": config.size("hidden_size", 4096),
            "vocab_size": config.size("vocab_size", 32000),
            "blocks": {"attention": attention | {"position": rope(config)}, "ffn": ffn},
            "model": [
                {"embed": "tokens"},
                {"stack": spelled(layers) | {"norm": norm}},
                {"norm": norm},
                *causal_lm(self, config, tied=False),
            ],
        }

    def weights(self, config: Config) -> Iterator[Rule]:
        yield from causal_lm_rules("model.norm")
        for i in range(config.size("num_hidden_layers", 32)):
            attention, ffn, here = f"layers.{2 * i}", f"layers.{2 * i + 1}", f"model.layers.{i}"
            yield Rule(f"{attention}.norm", f"{here}.input_layernorm")
            yield from attention_rules(f"{attention}.mixer", f"{here}.self_attn", config)
            yield Rule(f"{ffn}.norm", f"{here}.post_attention_layernorm")
            yield from gated_rules(f"{ffn}.mixer", f"{here}.mlp")

    def config(self, plan: Plan) -> dict[str, Any]:
        found = Found(plan)
        attention, ffn = found.attention(), found.mixer("gated_mlp")
        return {
            **found_heads(found, "LlamaForCausalLM", "LlamaModel"),
            "rms_norm_eps": get(found.norm(), "eps"),
            "attention_bias": get(attention, "qkv_bias"),
            "mlp_bias": get(ffn, "bias"),
            "rope_parameters": rope_parameters(get(attention, "position")),
        }
