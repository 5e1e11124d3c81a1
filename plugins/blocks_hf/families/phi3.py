"""Phi-3 and Phi-4-mini (Abdin et al. 2024, arXiv:2404.14219; Microsoft 2025, arXiv:2503.01743)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from blocks import Plan
from blocks.foreign_config import Config
from blocks.importer import Importer, Rule, Tree
from blocks_hf.families.common import Found, get
from blocks_hf.families.decoders import (
    causal_lm_rules,
    decoder,
    decoder_layers,
    found_decoder,
    gated_ffn,
    head_sizes,
    heads,
    norm_rules,
    rmsnorm,
)
from blocks_hf.families.rotary import rope, rope_parameters, rotary_channels

SCALINGS = {"default": "none", "longrope": "longrope", "su": "longrope", "yarn": "longrope"}
"""All that was published, under any name, is LongRoPE."""


class Phi3(Importer):
    """Llama's layers with projections in one tensor, over a window; a part of the channels may turn."""

    model_type = "phi3"
    architectures = {"Phi3ForCausalLM": "lm", "Phi3Model": ""}  # noqa: RUF012
    defaults = {  # noqa: RUF012
        "vocab_size": 32064, "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": None, "hidden_act": "silu", "max_position_embeddings": 4096,
        "original_max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "sliding_window": None,
        "tie_word_embeddings": False,
    }  # fmt: skip
    prefix = "model."
    unused = (".rotary_emb.inv_freq",)

    def recipe(self, config: Config) -> Tree:
        for key in ("attention_bias", "mlp_bias", "lm_head_bias"):
            config.only(key, False)
        for key in ("full_attn_mod", "interpolate_factor"):
            config.only(key, 1)
        turned = rotary_channels(config, head_sizes(config)[2])
        original = config.size("original_max_position_embeddings")
        position = rope(config, rotary_dim=turned, scalings=SCALINGS, original=original)
        attention = {**heads(config, config.size("sliding_window", None)), "position": position}
        order = ["attention", "ffn"] * config.depth("num_hidden_layers")
        return decoder(
            self, config, {"attention": attention, "ffn": gated_ffn(config)}, order, rmsnorm(config)
        )

    def weights(self, config: Config) -> Iterator[Rule]:
        yield from causal_lm_rules("model.norm")
        for attention, ffn, here in decoder_layers(config):
            yield from norm_rules(attention, ffn, here)
            yield Rule(f"{attention}.mixer.qkv_proj", f"{here}.self_attn.qkv_proj")
            yield Rule(f"{attention}.mixer.out_proj", f"{here}.self_attn.o_proj")
            yield Rule(f"{ffn}.mixer.gate_up_proj", f"{here}.mlp.gate_up_proj")
            yield Rule(f"{ffn}.mixer.out_proj", f"{here}.mlp.down_proj")

    def config(self, plan: Plan) -> dict[str, Any]:
        found = Found(plan)
        attention = found.attention()
        position = get(attention, "position")
        turned = rope_parameters(position, get(attention, "head_dim"))
        original = get(position, "original_max_len") or self.defaults["original_max_position_embeddings"]
        return found_decoder(self, found) | {
            "sliding_window": get(attention, "window"),
            "rope_parameters": turned,
            "original_max_position_embeddings": original,
            "max_position_embeddings": round(original * (get(position, "factor") or 1)),
            "pad_token_id": None,  # the default is no token of a small vocabulary
        }
