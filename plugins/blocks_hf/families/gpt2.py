"""GPT-2 (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners")."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from blocks import Plan
from blocks.foreign_config import Config
from blocks.importer import Importer, Rule, Tree, transposed
from blocks.spelling import spelled
from blocks_hf.families.common import ACTIVATIONS, Found, get, swapped
from blocks_hf.families.decoders import causal_lm


class GPT2(Importer):
    """Attention and FFN in turn, pre-norm with LayerNorm, learned positions; matrices are kept transposed."""

    model_type = "gpt2"
    architectures = {"GPT2LMHeadModel": "lm", "GPT2Model": ""}  # noqa: RUF012
    defaults = {  # noqa: RUF012
        "vocab_size": 50257, "n_positions": 1024, "n_embd": 768, "n_layer": 12, "n_head": 12, "n_inner": None,
        "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5, "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False, "tie_word_embeddings": True,
    }  # fmt: skip
    prefix = "transformer."
    unused = (".attn.bias", ".attn.masked_bias")
    harmless = (
        "n_ctx",  # n_positions again
        "summary_type", "summary_use_proj", "summary_activation", "summary_proj_to_labels", "summary_first_dropout",
        "reorder_and_upcast_attn",  # rounding in half precision alone
    )  # fmt: skip

    def recipe(self, config: Config) -> Tree:
        config.only("scale_attn_weights", True)
        config.only("scale_attn_by_inverse_layer_idx", False)
        norm = {"layernorm": {"eps": config.number("layer_norm_epsilon")}}
        attention = {
            "mixer": "multi_head",
            "n_heads": config.size("n_head"),
            "qkv_bias": True,
            "out_bias": True,
        }
        ffn = {
            "mixer": "mlp",
            "d_ff": config.size("n_inner", None),
            "activation": config.choice("activation_function", ACTIVATIONS),
            "bias": True,
        }
        return {
            "d_model": config.size("n_embd"),
            "vocab_size": config.size("vocab_size"),
            "blocks": {"attention": attention, "ffn": ffn},
            "model": [
                {"embed": "tokens"},
                {"position": {"learned": {"max_len": config.size("n_positions")}}},
                {"stack": spelled(["attention", "ffn"] * config.depth("n_layer")) | {"norm": norm}},
                {"norm": norm},
                *causal_lm(self, config, table="transformer.wte.weight"),
            ],
        }

    def weights(self, config: Config) -> Iterator[Rule]:
        yield Rule("embed", "transformer.wte")
        yield Rule("position", "transformer.wpe")
        yield Rule("norm", "transformer.ln_f")
        yield Rule("head", "lm_head")
        for i in range(config.depth("n_layer")):
            attention, ffn, here = f"layers.{2 * i}", f"layers.{2 * i + 1}", f"transformer.h.{i}"
            yield Rule(f"{attention}.norm", f"{here}.ln_1")
            yield Rule(f"{attention}.mixer.qkv_proj", f"{here}.attn.c_attn", transposed)
            yield Rule(f"{attention}.mixer.out_proj", f"{here}.attn.c_proj", transposed)
            yield Rule(f"{ffn}.norm", f"{here}.ln_2")
            yield Rule(f"{ffn}.mixer.in_proj", f"{here}.mlp.c_fc", transposed)
            yield Rule(f"{ffn}.mixer.out_proj", f"{here}.mlp.c_proj", transposed)

    def config(self, plan: Plan) -> dict[str, Any]:
        found = Found(plan)
        attention, ffn = found.attention(), found.mixer("mlp")
        headed = any(stage.role == "head" for stage in found.stages)
        return {
            "architectures": ["GPT2LMHeadModel" if headed else "GPT2Model"],
            "n_embd": plan.sizes.d_model,
            "vocab_size": plan.sizes.vocab_size,
            "n_layer": len(found.layers) // 2,
            "n_head": get(attention, "n_heads"),
            "n_inner": get(ffn, "d_ff"),
            "activation_function": swapped(ACTIVATIONS)[get(ffn, "activation")],
            "n_positions": get(found.stage("position"), "max_len"),
            "layer_norm_epsilon": get(found.norm(), "eps"),
            "tie_word_embeddings": found.tied() if headed else True,
        }
