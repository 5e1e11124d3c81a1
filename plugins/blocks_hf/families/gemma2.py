"""Gemma 2 (Gemma Team 2024, "Gemma 2: Improving Open Language Models at a Practical Size", arXiv:2408.00118)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from blocks import Plan
from blocks.foreign_config import Config
from blocks.importer import Importer, Rule, Tree
from blocks_hf.families.common import GATES, Found, get
from blocks_hf.families.decoders import (
    SANDWICH,
    decoder,
    decoder_rules,
    found_decoder,
    found_windows,
    gated_ffn,
    head_sizes,
    heads,
    layers,
    rmsnorm,
    windows,
)
from blocks_hf.families.rotary import rope


class Gemma2(Importer):
    """Local and global attention in turn, norms on both sides of every block, scores and logits softly bounded."""

    model_type = "gemma2"
    architectures = {"Gemma2ForCausalLM": "lm", "Gemma2Model": ""}  # noqa: RUF012
    defaults = {  # noqa: RUF012
        "vocab_size": 256000, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
        "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "hidden_activation": "gelu_pytorch_tanh",
        "max_position_embeddings": 8192, "rms_norm_eps": 1e-6, "attention_bias": False, "query_pre_attn_scalar": 256,
        "sliding_window": 4096, "final_logit_softcapping": 30.0, "attn_logit_softcapping": 50.0,
        "use_bidirectional_attention": None, "tie_word_embeddings": True,
    }  # fmt: skip
    prefix = "model."
    harmless = ("cache_implementation",)

    def recipe(self, config: Config) -> Tree:
        config.only("use_bidirectional_attention", None, False)
        config.only("sliding_window_size", config.get("sliding_window"))
        same = [name for name, gate in GATES.items() if gate == config.choice("hidden_activation", GATES)]
        config.only("hidden_act", *same)  # what counts is hidden_activation
        scalar, bias, position = (
            config.number("query_pre_attn_scalar"),
            config.flag("attention_bias"),
            rope(config),
        )
        around = {
            "qkv_bias": bias, "out_bias": bias, "position": position,
            "score_cap": config.number("attn_logit_softcapping", None),
            "score_scale": None if scalar == head_sizes(config)[2] else f"1 / sqrt({scalar})",
        }  # fmt: skip
        seen = windows(config, config.size("sliding_window"), lambda layer: layer % 2 == 0)
        blocks, order = layers(seen, lambda window: heads(config, window) | around)
        norm = rmsnorm(config, unit_offset=True)
        return decoder(
            self, config, blocks | {"ffn": gated_ffn(config, "hidden_activation")}, order, norm,
            around={"norm": norm, "residual": "sandwich"},
            embed={"tokens": {"scale": "sqrt(d_model)"}},
            logit_cap=config.number("final_logit_softcapping", None),
        )  # fmt: skip

    def weights(self, config: Config) -> Iterator[Rule]:
        return decoder_rules(config, SANDWICH)

    def config(self, plan: Plan) -> dict[str, Any]:
        found = Found(plan)
        attention, keys = found.attention(), found_decoder(self, found)
        scale = get(attention, "score_scale")
        headed = keys["architectures"] == ["Gemma2ForCausalLM"]
        seen = {key: value for key, value in found_windows(found).items() if value is not None}
        return keys | seen | {
            "hidden_activation": keys["hidden_act"],
            "attention_bias": get(attention, "qkv_bias"),
            "attn_logit_softcapping": get(attention, "score_cap"),
            "query_pre_attn_scalar": get(attention, "head_dim") if scale is None else round(scale**-2),
            "final_logit_softcapping": get(found.stage("head"), "logit_cap") if headed else None,
        }  # fmt: skip
