"""Mistral (Jiang et al. 2023, "Mistral 7B", arXiv:2310.06825)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from blocks import Plan
from blocks.foreign_config import Config
from blocks.importer import Importer, Rule, Tree
from blocks_hf.families.common import Found, get
from blocks_hf.families.decoders import decoder, decoder_rules, found_decoder, gated_ffn, heads, rmsnorm
from blocks_hf.families.rotary import rope


class Mistral(Importer):
    """Llama's layers over a sliding window, which later versions have dropped."""

    model_type = "mistral"
    architectures = {"MistralForCausalLM": "lm", "MistralModel": ""}  # noqa: RUF012
    defaults = {  # noqa: RUF012
        "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": None, "hidden_act": "silu",
        "max_position_embeddings": 131072, "rms_norm_eps": 1e-6, "sliding_window": 4096, "tie_word_embeddings": False,
    }  # fmt: skip
    prefix = "model."
    unused = (".rotary_emb.inv_freq",)

    def recipe(self, config: Config) -> Tree:
        attention = {**heads(config, config.size("sliding_window", None)), "position": rope(config)}
        order = ["attention", "ffn"] * config.depth("num_hidden_layers")
        return decoder(
            self, config, {"attention": attention, "ffn": gated_ffn(config)}, order, rmsnorm(config)
        )

    def weights(self, config: Config) -> Iterator[Rule]:
        return decoder_rules(config)

    def config(self, plan: Plan) -> dict[str, Any]:
        found = Found(plan)
        return found_decoder(self, found) | {"sliding_window": get(found.attention(), "window")}
