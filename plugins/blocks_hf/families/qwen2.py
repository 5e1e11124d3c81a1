"""Qwen2 and Qwen2.5 (Yang et al. 2024, arXiv:2407.10671 and arXiv:2412.15115)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from blocks import Plan
from blocks.foreign_config import Config
from blocks.importer import Importer, Rule, Tree
from blocks_hf.families.common import Found
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


class Qwen2(Importer):
    """Llama's layers with biases of queries, keys and values; the upper layers may have a window."""

    model_type = "qwen2"
    architectures = {"Qwen2ForCausalLM": "lm", "Qwen2Model": ""}  # noqa: RUF012
    defaults = {  # noqa: RUF012
        "vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 22016, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 32, "hidden_act": "silu", "max_position_embeddings": 32768,
        "rms_norm_eps": 1e-6, "use_sliding_window": False, "sliding_window": 4096, "max_window_layers": 28,
        "tie_word_embeddings": False,
    }  # fmt: skip
    prefix = "model."
    unused = (".rotary_emb.inv_freq",)

    def recipe(self, config: Config) -> Tree:
        config.only("use_mrope", False)
        position = rope(config)
        blocks, order = layers(
            qwen_windows(config),
            lambda window: {**heads(config, window), "qkv_bias": True, "position": position},
        )
        return decoder(self, config, blocks | {"ffn": gated_ffn(config)}, order, rmsnorm(config))

    def weights(self, config: Config) -> Iterator[Rule]:
        return decoder_rules(config)

    def config(self, plan: Plan) -> dict[str, Any]:
        found = Found(plan)
        return found_decoder(self, found) | found_qwen_windows(found)
