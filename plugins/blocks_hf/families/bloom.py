"""BLOOM (BigScience 2022, "BLOOM: A 176B-Parameter Open-Access Multilingual Language Model", arXiv:2211.05100)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from blocks import Plan
from blocks.foreign_config import Config
from blocks.importer import Importer, Rule, Tree, by_head
from blocks.spelling import spelled
from blocks_hf.families.common import Found, get
from blocks_hf.families.decoders import causal_lm


class Bloom(Importer):
    """Attention with ALiBi and FFN in turn, pre-norm with LayerNorm; a LayerNorm of the embeddings."""

    model_type = "bloom"
    architectures = {"BloomForCausalLM": "lm", "BloomModel": ""}  # noqa: RUF012
    defaults = {  # noqa: RUF012
        "vocab_size": 250880, "hidden_size": 64, "n_layer": 2, "n_head": 8, "layer_norm_epsilon": 1e-5,
        "apply_residual_connection_post_layernorm": False, "tie_word_embeddings": True,
    }  # fmt: skip
    prefix = "transformer."
    harmless = (
        "pretraining_tp", "slow_but_exact",  # in how many parts a product is summed
        "seq_length", "offset_alibi", "attention_softmax_in_fp32", "masked_softmax_fusion", "bias_dropout_fusion",
        "skip_bias_add", "skip_bias_add_qkv",  # of the code that trained it
    )  # fmt: skip

    def recipe(self, config: Config) -> Tree:
        config.only("apply_residual_connection_post_layernorm", False)
        d_model = _size(config, "hidden_size", "n_embed")
        config.only("n_inner", None, 4 * d_model)
        norm = {"layernorm": {"eps": config.number("layer_norm_epsilon")}}
        attention = {
            "mixer": "multi_head", "n_heads": _size(config, "n_head", "num_attention_heads"), "qkv_bias": True,
            "out_bias": True, "position": "alibi",
        }  # fmt: skip
        ffn = {"mixer": "mlp", "activation": "gelu_tanh", "bias": True}
        order = ["attention", "ffn"] * _size(config, "n_layer", "num_hidden_layers")
        return {
            "d_model": d_model,
            "vocab_size": config.size("vocab_size"),
            "blocks": {"attention": attention, "ffn": ffn},
            "model": [
                {"embed": "tokens"},
                {"norm": norm},
                {"stack": spelled(order) | {"norm": norm}},
                {"norm": norm},
                *causal_lm(self, config, table="transformer.word_embeddings.weight"),
            ],
        }

    def weights(self, config: Config) -> Iterator[Rule]:
        yield Rule("embed", "transformer.word_embeddings")
        yield Rule("norm", "transformer.word_embeddings_layernorm")
        yield Rule("norm_2", "transformer.ln_f")
        yield Rule("head", "lm_head")
        split = by_head(_size(config, "n_head", "num_attention_heads"))
        for i in range(_size(config, "n_layer", "num_hidden_layers")):
            attention, ffn, here = f"layers.{2 * i}", f"layers.{2 * i + 1}", f"transformer.h.{i}"
            yield Rule(f"{attention}.norm", f"{here}.input_layernorm")
            yield Rule(f"{attention}.mixer.qkv_proj", f"{here}.self_attention.query_key_value", split, fold=3)
            yield Rule(f"{attention}.mixer.out_proj", f"{here}.self_attention.dense")
            yield Rule(f"{ffn}.norm", f"{here}.post_attention_layernorm")
            yield Rule(f"{ffn}.mixer.in_proj", f"{here}.mlp.dense_h_to_4h")
            yield Rule(f"{ffn}.mixer.out_proj", f"{here}.mlp.dense_4h_to_h")

    def config(self, plan: Plan) -> dict[str, Any]:
        found = Found(plan)
        headed = any(stage.role == "head" for stage in found.stages)
        return {
            "architectures": ["BloomForCausalLM" if headed else "BloomModel"],
            "vocab_size": plan.sizes.vocab_size,
            "hidden_size": plan.sizes.d_model,
            "n_layer": len(found.layers) // 2,
            "n_head": get(found.attention(), "n_heads"),
            "layer_norm_epsilon": get(found.norm(), "eps"),
            "tie_word_embeddings": found.tied() if headed else True,
        }


def _size(config: Config, key: str, other: str) -> int:
    """A size that goes by one of two names; the second counts more, and both say the same where both are there."""
    size = config.depth(key)
    if other not in config.values:
        return size
    if key in config.values:
        config.only(other, size)
    return config.depth(other)
