"""Llama (Touvron et al. 2023, arXiv:2302.13971; Llama 3: Grattafiori et al. 2024, arXiv:2407.21783)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from blocks import Plan
from blocks.foreign_config import Config
from blocks.importer import Importer, Rule, Tree
from blocks_hf.families.common import Found, get
from blocks_hf.families.decoders import decoder, decoder_rules, found_decoder, gated_ffn, heads, rmsnorm
from blocks_hf.families.rotary import rope


class Llama(Importer):
    """Grouped-query attention and a gated FFN in turn, pre-norm with RMSNorm, RoPE."""

    model_type = "llama"
    architectures = {"LlamaForCausalLM": "lm", "LlamaModel": ""}  # noqa: RUF012
    defaults = {  # noqa: RUF012
        "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": None, "head_dim": None, "hidden_act": "silu",
        "max_position_embeddings": 2048, "rms_norm_eps": 1e-6, "attention_bias": False, "mlp_bias": False,
        "tie_word_embeddings": False,
    }  # fmt: skip
    prefix = "model."
    unused = (".rotary_emb.inv_freq",)
    harmless = ("pretraining_tp",)  # in how many parts a product is summed

    def recipe(self, config: Config) -> Tree:
        bias = config.flag("attention_bias")
        attention = {**heads(config), "qkv_bias": bias, "out_bias": bias, "position": rope(config)}
        blocks = {"attention": attention, "ffn": gated_ffn(config) | {"bias": config.flag("mlp_bias")}}
        order = ["attention", "ffn"] * config.depth("num_hidden_layers")
        return decoder(self, config, blocks, order, rmsnorm(config))

    def weights(self, config: Config) -> Iterator[Rule]:
        return decoder_rules(config)

    def config(self, plan: Plan) -> dict[str, Any]:
        found = Found(plan)
        return found_decoder(self, found) | {
            "attention_bias": get(found.attention(), "qkv_bias"),
            "mlp_bias": get(found.mixer("gated_mlp"), "bias"),
        }
