"""Bamba (IBM, Princeton, CMU and UIUC 2024, "Bamba: Inference-Efficient Hybrid Mamba2 Model")."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from blocks import Plan
from blocks.foreign_config import Config
from blocks.importer import Importer, Rule, Tree
from blocks_hf.families import states
from blocks_hf.families.common import Found, get
from blocks_hf.families.decoders import (
    attention_rules,
    causal_lm_rules,
    decoder,
    decoder_layers,
    found_decoder,
    gated_ffn,
    gated_rules,
    head_sizes,
    heads,
    norm_rules,
    rmsnorm,
)
from blocks_hf.families.rotary import rope, rope_parameters, rotary_channels

_KEYS = {
    "n_heads": "mamba_n_heads", "head_dim": "mamba_d_head", "d_state": "mamba_d_state", "n_groups": "mamba_n_groups",
    "d_conv": "mamba_d_conv", "bias": "mamba_proj_bias", "conv_bias": "mamba_conv_bias", "eps": "rms_norm_eps",
}  # fmt: skip


class Bamba(Importer):
    """Llama's layers with Mamba-2 in place of most attention; RoPE turns half of each head."""

    model_type = "bamba"
    architectures = {"BambaForCausalLM": "lm", "BambaModel": ""}  # noqa: RUF012
    defaults = {  # noqa: RUF012
        "vocab_size": 128000, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "hidden_act": "silu", "rms_norm_eps": 1e-5,
        "max_position_embeddings": 262144, "attn_layer_indices": None, "mamba_n_heads": 128, "mamba_d_head": "auto",
        "mamba_n_groups": 1, "mamba_d_state": 256, "mamba_d_conv": 4, "mamba_expand": 2, "mamba_conv_bias": True,
        "mamba_proj_bias": False, "attention_bias": False, "mlp_bias": False, "tie_word_embeddings": False,
    }  # fmt: skip
    prefix = "model."
    unused = (".rotary_emb.inv_freq",)
    harmless = ("z_loss_coefficient", *states.HARMLESS)

    def recipe(self, config: Config) -> Tree:
        config.only("partial_rotary_factor", 0.5)  # transformers reads that of rope_parameters alone
        head_dim, bias = head_sizes(config)[2], config.flag("attention_bias")
        turned = rotary_channels(config, head_dim, part=0.5)
        config.only("attn_rotary_emb", turned or head_dim)
        blocks = {
            "mamba2": _mamba2(config),
            "attention": {
                **heads(config), "qkv_bias": bias, "out_bias": bias, "position": rope(config, rotary_dim=turned)
            },
            "ffn": {**gated_ffn(config), "bias": config.flag("mlp_bias")},
        }  # fmt: skip
        order = [name for kind in _kinds(config) for name in (kind, "ffn")]
        used = {name: block for name, block in blocks.items() if name in order}
        return decoder(self, config, used, order, rmsnorm(config))

    def weights(self, config: Config) -> Iterator[Rule]:
        yield from causal_lm_rules("model.final_layernorm")
        for kind, (mixer, ffn, here) in zip(_kinds(config), decoder_layers(config), strict=True):
            yield from norm_rules(mixer, ffn, here, {"norm": ("input_layernorm", "pre_ff_layernorm")})
            if kind == "mamba2":
                yield from states.scan_rules(f"{mixer}.mixer", f"{here}.mamba", "norm")
            else:
                yield from attention_rules(f"{mixer}.mixer", f"{here}.self_attn", config)
            yield from gated_rules(f"{ffn}.mixer", f"{here}.feed_forward")

    def config(self, plan: Plan) -> dict[str, Any] | None:
        found = Found(plan)
        mamba2, attention = found.mixer("mamba2"), found.attention()
        expand, rest = divmod(get(mamba2, "n_heads") * get(mamba2, "head_dim"), plan.sizes.d_model)
        if rest:  # transformers multiplies by a whole number
            return None
        return {
            **found_decoder(self, found),
            **states.found_mamba2(mamba2, _KEYS),
            "mamba_expand": expand,
            "attn_layer_indices": [
                i for i, mixer in enumerate(found.mixers()[::2]) if mixer.name != "mamba2"
            ],
            "attention_bias": get(attention, "qkv_bias"),
            "mlp_bias": get(found.mixer("gated_mlp"), "bias"),
            "rope_parameters": rope_parameters(get(attention, "position"), get(attention, "head_dim")),
        }


def _mamba2(config: Config) -> Tree:
    """The mixer, whose heads share what `mamba_expand` says."""
    width = int(config.number("mamba_expand") * config.size("hidden_size"))
    n_heads = config.size("mamba_n_heads")
    config.auto("mamba_d_head", width // n_heads)
    mixer = states.mamba2(config, _KEYS)
    if width != n_heads * mixer["head_dim"]:
        message = (
            f"mamba_d_head = {mixer['head_dim']} times {n_heads} heads is not mamba_expand times hidden_size"
        )
        config.refuse("mamba_d_head", message)
    return mixer


def _kinds(config: Config) -> list[str]:
    """The mixer of each layer."""
    count, indices = config.depth("num_hidden_layers"), config.get("attn_layer_indices")
    said = [] if indices is None else indices
    if not isinstance(said, list) or not all(type(i) is int and 0 <= i < count for i in said):
        message = f"attn_layer_indices = {said!r:.60} is not a list of whole numbers below {count}"
        config.refuse("attn_layer_indices", message)
        said = []
    return ["attention" if i in said else "mamba2" for i in range(count)]
