"""Mixtral (Jiang et al. 2024, arXiv:2401.04088)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from blocks import Plan
from blocks.foreign_config import Config
from blocks.importer import Importer, Rule, Tree, stacked
from blocks_hf.families.common import Found, get
from blocks_hf.families.decoders import (
    attention_rules,
    causal_lm_rules,
    decoder,
    decoder_layers,
    found_decoder,
    gate,
    heads,
    norm_rules,
    rmsnorm,
)
from blocks_hf.families.rotary import rope


class Mixtral(Importer):
    """Mistral's layers with a mixture of experts for an FFN; the router's weights of the chosen sum to one."""

    model_type = "mixtral"
    architectures = {"MixtralForCausalLM": "lm", "MixtralModel": ""}  # noqa: RUF012
    defaults = {  # noqa: RUF012
        "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": None, "hidden_act": "silu",
        "max_position_embeddings": 131072, "rms_norm_eps": 1e-5, "sliding_window": None, "num_experts_per_tok": 2,
        "num_local_experts": 8, "tie_word_embeddings": False,
    }  # fmt: skip
    prefix = "model."
    unused = (".rotary_emb.inv_freq",)

    def recipe(self, config: Config) -> Tree:
        window = config.size("sliding_window", None)
        experts = {
            "mixer": "moe",
            "n_experts": config.size("num_local_experts"),
            "top_k": config.size("num_experts_per_tok"),
            "d_ff": config.size("intermediate_size"),
            "activation": gate(config),
        }
        blocks = {
            "attention": {**heads(config, window), "position": rope(config, theta=1e6)},
            "experts": experts,
        }
        order = ["attention", "experts"] * config.depth("num_hidden_layers")
        return decoder(self, config, blocks, order, rmsnorm(config))

    def weights(self, config: Config) -> Iterator[Rule]:
        yield from causal_lm_rules("model.norm")
        for attention, experts, here in decoder_layers(config):
            yield from norm_rules(attention, experts, here)
            yield from attention_rules(f"{attention}.mixer", f"{here}.self_attn", config)
            moe, each = f"{here}.block_sparse_moe", f"{here}.block_sparse_moe.experts.{{e}}"
            yield Rule(f"{experts}.mixer.router", f"{moe}.gate")
            yield Rule(f"{experts}.mixer.gate_up_proj", (f"{each}.w1", f"{each}.w3"), _gates_and_values)
            yield Rule(f"{experts}.mixer.out_proj", f"{each}.w2", stacked)

    def config(self, plan: Plan) -> dict[str, Any]:
        found = Found(plan)
        experts = found.mixer("moe")
        return found_decoder(self, found) | {
            "sliding_window": get(found.attention(), "window"),
            "num_local_experts": get(experts, "n_experts"),
            "num_experts_per_tok": get(experts, "top_k"),
        }


def _gates_and_values(tensor: Any) -> Sequence[Any]:
    """Of each expert the first half of the rows, then the second."""
    return [half for expert in tensor.unbind() for half in expert.chunk(2)]
