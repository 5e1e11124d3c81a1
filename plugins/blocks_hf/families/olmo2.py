"""OLMo 2 (OLMo Team 2025, "2 OLMo 2 Furious", arXiv:2501.00656)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from blocks import Plan
from blocks.foreign_config import Config
from blocks.importer import Importer, Rule, Tree
from blocks_hf.families.common import Found, get
from blocks_hf.families.decoders import (
    SANDWICH,
    decoder,
    decoder_rules,
    found_decoder,
    gated_ffn,
    heads,
    rmsnorm,
)
from blocks_hf.families.rotary import rope


class Olmo2(Importer):
    """Norms after attention and FFN alone, and of queries and keys over all heads at once."""

    model_type = "olmo2"
    architectures = {"Olmo2ForCausalLM": "lm", "Olmo2Model": ""}  # noqa: RUF012
    defaults = {  # noqa: RUF012
        "vocab_size": 50304, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": None, "hidden_act": "silu", "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-5, "attention_bias": False, "tie_word_embeddings": False,
    }  # fmt: skip
    prefix = "model."

    def recipe(self, config: Config) -> Tree:
        bias, norm = config.flag("attention_bias"), rmsnorm(config)
        attention = {
            **heads(config), "qkv_bias": bias, "out_bias": bias, "position": rope(config),
            "qk_norm": norm, "qk_norm_over": "projection",
        }  # fmt: skip
        order = ["attention", "ffn"] * config.depth("num_hidden_layers")
        blocks = {"attention": attention, "ffn": gated_ffn(config)}
        return decoder(self, config, blocks, order, norm, around={"norm": "none", "out_norm": norm})

    def weights(self, config: Config) -> Iterator[Rule]:
        return decoder_rules(config, {"out_norm": SANDWICH["out_norm"]})

    def config(self, plan: Plan) -> dict[str, Any]:
        found = Found(plan)
        return found_decoder(self, found) | {"attention_bias": get(found.attention(), "qkv_bias")}
