"""Qwen3 (Yang et al. 2025, "Qwen3 Technical Report", arXiv:2505.09388)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from blocks import Plan
from blocks.foreign_config import Config
from blocks.importer import Importer, Rule, Tree
from blocks_hf.families.common import Found, get
from blocks_hf.families.decoders import (
    decoder,
    decoder_rules,
    found_decoder,
    found_qwen_windows,
    gated_ffn,
    heads,
    layers,
    qwen_windows,
    rmsnorm,
)
from blocks_hf.families.rotary import rope


class Qwen3(Importer):
    """Qwen2's layers with a norm of each query and key in place of biases."""

    model_type = "qwen3"
    architectures = {"Qwen3ForCausalLM": "lm", "Qwen3Model": ""}  # noqa: RUF012
    defaults = {  # noqa: RUF012
        "vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 22016, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 32, "head_dim": 128, "hidden_act": "silu",
        "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "attention_bias": False, "use_sliding_window": False,
        "sliding_window": 4096, "max_window_layers": 28, "tie_word_embeddings": False,
    }  # fmt: skip
    prefix = "model."

    def recipe(self, config: Config) -> Tree:
        bias = config.flag("attention_bias")
        norm, position = rmsnorm(config), rope(config)
        blocks, order = layers(
            qwen_windows(config),
            lambda window: {
                **heads(config, window), "qkv_bias": bias, "out_bias": bias, "position": position, "qk_norm": norm
            },
        )  # fmt: skip
        return decoder(self, config, blocks | {"ffn": gated_ffn(config)}, order, norm)

    def weights(self, config: Config) -> Iterator[Rule]:
        return decoder_rules(config)

    def config(self, plan: Plan) -> dict[str, Any]:
        found = Found(plan)
        bias = {"attention_bias": get(found.attention(), "qkv_bias")}
        return found_decoder(self, found) | found_qwen_windows(found) | bias
