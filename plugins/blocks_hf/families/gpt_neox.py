"""GPT-NeoX (Black et al. 2022, arXiv:2204.06745) and Pythia (Biderman et al. 2023, arXiv:2304.01373)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from blocks import Plan
from blocks.foreign_config import Config
from blocks.importer import Importer, Rule, Tree, by_head
from blocks.spelling import spelled
from blocks_hf.families.common import ACTIVATIONS, Found, get, swapped
from blocks_hf.families.decoders import causal_lm
from blocks_hf.families.rotary import rope, rope_parameters, rotary_channels


class GPTNeoX(Importer):
    """Attention and FFN beside each other, each behind a LayerNorm of its own, or in turn; RoPE on some channels."""

    model_type = "gpt_neox"
    architectures = {"GPTNeoXForCausalLM": "lm", "GPTNeoXModel": ""}  # noqa: RUF012
    defaults = {  # noqa: RUF012
        "vocab_size": 50432, "hidden_size": 6144, "intermediate_size": 24576, "num_hidden_layers": 44,
        "num_attention_heads": 64, "hidden_act": "gelu", "max_position_embeddings": 2048, "layer_norm_eps": 1e-5,
        "use_parallel_residual": True, "attention_bias": True, "tie_word_embeddings": False,
    }  # fmt: skip
    prefix = "gpt_neox."
    outside = ("embed_out.",)
    renamed = {"lm_head.": "embed_out."}  # noqa: RUF012
    unused = (".attention.bias", ".attention.masked_bias", ".rotary_emb.inv_freq")
    harmless = ("is_decoder",)

    def recipe(self, config: Config) -> Tree:
        norm = {"layernorm": {"eps": config.number("layer_norm_eps")}}
        bias, d_model, n_heads = (
            config.flag("attention_bias"), config.size("hidden_size"), config.size("num_attention_heads"),
        )  # fmt: skip
        turned = rotary_channels(config, d_model // n_heads, key="rotary_pct", part=0.25)
        attention = {
            "mixer": "multi_head", "n_heads": n_heads, "qkv_bias": bias, "out_bias": bias,
            "position": rope(config, theta_key="rotary_emb_base", rotary_dim=turned),
        }  # fmt: skip
        ffn = {
            "mixer": "mlp",
            "d_ff": config.size("intermediate_size"),
            "activation": config.choice("hidden_act", ACTIVATIONS),
            "bias": True,
        }
        beside = config.flag("use_parallel_residual")
        blocks: Tree = {"attention": attention, "ffn": ffn}
        if beside:
            blocks = {name: block | {"norm": norm} for name, block in blocks.items()}
            blocks["both"] = {"parallel": ["attention", "ffn"]}
        order = (["both"] if beside else ["attention", "ffn"]) * config.depth("num_hidden_layers")
        return {
            "d_model": d_model,
            "vocab_size": config.size("vocab_size"),
            "blocks": blocks,
            "model": [
                {"embed": "tokens"},
                {"stack": spelled(order) | ({} if beside else {"norm": norm})},
                {"norm": norm},
                *causal_lm(self, config, head="embed_out.weight", table="gpt_neox.embed_in.weight"),
            ],
        }

    def weights(self, config: Config) -> Iterator[Rule]:
        yield Rule("embed", "gpt_neox.embed_in")
        yield Rule("norm", "gpt_neox.final_layer_norm")
        yield Rule("head", "embed_out")
        beside, split = config.flag("use_parallel_residual"), by_head(config.size("num_attention_heads"))
        for i in range(config.depth("num_hidden_layers")):
            here = f"gpt_neox.layers.{i}"
            if beside:
                attention, ffn = f"layers.{i}.attention", f"layers.{i}.ffn"
                norms = f"{attention}_norm", f"{ffn}_norm"
            else:
                attention, ffn = f"layers.{2 * i}.mixer", f"layers.{2 * i + 1}.mixer"
                norms = f"layers.{2 * i}.norm", f"layers.{2 * i + 1}.norm"
            yield Rule(norms[0], f"{here}.input_layernorm")
            yield Rule(norms[1], f"{here}.post_attention_layernorm")
            yield Rule(f"{attention}.qkv_proj", f"{here}.attention.query_key_value", split, fold=3)
            yield Rule(f"{attention}.out_proj", f"{here}.attention.dense")
            yield Rule(f"{ffn}.in_proj", f"{here}.mlp.dense_h_to_4h")
            yield Rule(f"{ffn}.out_proj", f"{here}.mlp.dense_4h_to_h")

    def config(self, plan: Plan) -> dict[str, Any]:
        found = Found(plan)
        attention, ffn = found.attention(), found.mixer("mlp")
        headed = any(stage.role == "head" for stage in found.stages)
        beside = len(found.layers) < len(found.mixers())
        return {
            "architectures": ["GPTNeoXForCausalLM" if headed else "GPTNeoXModel"],
            "vocab_size": plan.sizes.vocab_size,
            "hidden_size": plan.sizes.d_model,
            "intermediate_size": get(ffn, "d_ff"),
            "num_hidden_layers": len(found.mixers()) // 2,
            "num_attention_heads": get(attention, "n_heads"),
            "hidden_act": swapped(ACTIVATIONS)[get(ffn, "activation")],
            "layer_norm_eps": get(found.stage("norm"), "eps"),
            "use_parallel_residual": beside,
            "attention_bias": get(attention, "qkv_bias"),
            "rope_parameters": rope_parameters(get(attention, "position"), get(attention, "head_dim")),
            "tie_word_embeddings": found.tied() if headed else False,
        }
