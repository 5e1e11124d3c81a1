"""The same architectures in blocks and in transformers, with the same weights.

Each peer is a recipe, a transformers model, and a map from their parameter names to ours. Weights are copied from
ours to theirs, and `check` holds the logits of both against each other before anything is timed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

import blocks

logging.getLogger("transformers").setLevel(logging.ERROR)

D, LAYERS, VOCAB, CONTEXT = 512, 8, 32_000, 1024
HEAD = f"recipe: peer\nd_model: {D}\nvocab_size: {VOCAB}\n"


@dataclass
class Peer:
    """One architecture twice."""

    name: str
    ours: nn.Module
    theirs: Any

    def check(self, tokens: Tensor) -> float:
        """Largest difference of the logits, over their largest absolute value."""
        with torch.no_grad():
            a, b = self.ours(tokens)[0], self.theirs(tokens).logits
        return float((a - b).abs().max() / b.abs().max())


def _pair(
    recipe: str, theirs: Any, names: Callable[[Mapping[str, Tensor]], dict[str, Tensor]]
) -> tuple[nn.Module, Any]:
    ours = blocks.build(recipe).eval()
    with torch.no_grad():
        for name, value in ours.named_parameters():
            if name.endswith("dt_bias"):  # transformers clamps dt at 0.001 in a prompt: stay well above
                value.clamp_(min=-3.0)
    theirs = theirs.eval()
    state = {name: value.detach().clone() for name, value in ours.state_dict().items()}
    missing = theirs.load_state_dict(names(state), strict=False)
    assert not missing.unexpected_keys, missing.unexpected_keys
    assert all("lm_head" in key for key in missing.missing_keys), missing.missing_keys
    theirs.tie_weights()
    return ours, theirs


def llama() -> Peer:
    """Llama: grouped-query attention with RoPE, SwiGLU."""
    from transformers import LlamaConfig, LlamaForCausalLM

    recipe = (
        HEAD
        + """
blocks:
  attention: {mixer: multi_head, n_heads: 8, n_kv_heads: 2, position: rope}
  ffn:       {mixer: gated_mlp, d_ff: 1408}
model:
  - embed: tokens
  - stack: {depth: 16, interleave: [attention, ffn]}
  - norm: rmsnorm
  - head: lm
"""
    )
    config = LlamaConfig(
        vocab_size=VOCAB, hidden_size=D, num_hidden_layers=LAYERS, num_attention_heads=8, num_key_value_heads=2,
        intermediate_size=1408, rms_norm_eps=1e-5, max_position_embeddings=CONTEXT, tie_word_embeddings=False,
    )  # fmt: skip

    def names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        found = {
            "model.embed_tokens.weight": state["embed.weight"],
            "model.norm.weight": state["norm.weight"],
        }
        found["lm_head.weight"] = state["head.weight"]
        for i in range(LAYERS):
            a, f, to = f"layers.{2 * i}.", f"layers.{2 * i + 1}.", f"model.layers.{i}."
            q, k, v = state[a + "mixer.qkv_proj.weight"].split((512, 128, 128))
            gate, up = state[f + "mixer.gate_up_proj.weight"].chunk(2)
            found |= {
                to + "input_layernorm.weight": state[a + "norm.weight"],
                to + "self_attn.q_proj.weight": q,
                to + "self_attn.k_proj.weight": k,
                to + "self_attn.v_proj.weight": v,
                to + "self_attn.o_proj.weight": state[a + "mixer.out_proj.weight"],
                to + "post_attention_layernorm.weight": state[f + "norm.weight"],
                to + "mlp.gate_proj.weight": gate,
                to + "mlp.up_proj.weight": up,
                to + "mlp.down_proj.weight": state[f + "mixer.out_proj.weight"],
            }
        return found

    return Peer("Llama", *_pair(recipe, LlamaForCausalLM(config), names))


def gpt2() -> Peer:
    """GPT-2: learned positions, LayerNorm, biases, tied head."""
    from transformers import GPT2Config, GPT2LMHeadModel

    recipe = (
        HEAD
        + f"""
blocks:
  attention: {{mixer: multi_head, n_heads: 8, qkv_bias: true, out_bias: true}}
  ffn:       {{mixer: mlp, activation: gelu_tanh, bias: true}}
model:
  - embed: tokens
  - position: {{learned: {{max_len: {CONTEXT}}}}}
  - stack: {{depth: 16, interleave: [attention, ffn], norm: layernorm}}
  - norm: layernorm
  - head: {{lm: {{tied: true}}}}
"""
    )
    config = GPT2Config(
        vocab_size=VOCAB, n_embd=D, n_layer=LAYERS, n_head=8, n_positions=CONTEXT,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    )  # fmt: skip

    def names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        found = {
            "transformer.wte.weight": state["embed.weight"],
            "transformer.wpe.weight": state["position.weight"],
            "transformer.ln_f.weight": state["norm.weight"],
            "transformer.ln_f.bias": state["norm.bias"],
        }
        for i in range(LAYERS):
            a, f, to = f"layers.{2 * i}.", f"layers.{2 * i + 1}.", f"transformer.h.{i}."
            places = (
                ("ln_1", a + "norm"), ("attn.c_attn", a + "mixer.qkv_proj"), ("attn.c_proj", a + "mixer.out_proj"),
                ("ln_2", f + "norm"), ("mlp.c_fc", f + "mixer.in_proj"), ("mlp.c_proj", f + "mixer.out_proj"),
            )  # fmt: skip
            for theirs, ours in places:
                weight = state[ours + ".weight"]
                found[f"{to}{theirs}.weight"] = weight.T if weight.ndim == 2 else weight
                found[f"{to}{theirs}.bias"] = state[ours + ".bias"]
        return found

    return Peer("GPT-2", *_pair(recipe, GPT2LMHeadModel(config), names))


def _mamba2_names(state: Mapping[str, Tensor], ours: str, theirs: str) -> dict[str, Tensor]:
    found = {f"{theirs}.{n}": state[f"{ours}.{n}"] for n in ("dt_bias", "A_log", "D")}
    found |= {f"{theirs}.{n}.weight": state[f"{ours}.{n}.weight"] for n in ("in_proj", "norm", "out_proj")}
    found[f"{theirs}.conv1d.weight"] = state[f"{ours}.conv_weight"][:, None]
    found[f"{theirs}.conv1d.bias"] = state[f"{ours}.conv_bias"]
    return found


def mamba2() -> Peer:
    """Mamba-2: 16 heads of 64 channels, state 128, one group."""
    from transformers import Mamba2Config, Mamba2ForCausalLM

    recipe = (
        HEAD
        + f"""
blocks:
  mamba2: {{mixer: mamba2}}
model:
  - embed: tokens
  - stack: {{depth: {LAYERS}, cycle: [mamba2]}}
  - norm: rmsnorm
  - head: {{lm: {{tied: true}}}}
"""
    )
    config = Mamba2Config(
        vocab_size=VOCAB, hidden_size=D, num_hidden_layers=LAYERS, num_heads=16, head_dim=64, state_size=128,
        n_groups=1, expand=2, conv_kernel=4, tie_word_embeddings=True, residual_in_fp32=False,
    )  # fmt: skip

    def names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        found = {
            "backbone.embeddings.weight": state["embed.weight"],
            "backbone.norm_f.weight": state["norm.weight"],
        }
        for i in range(LAYERS):
            found[f"backbone.layers.{i}.norm.weight"] = state[f"layers.{i}.norm.weight"]
            found |= _mamba2_names(state, f"layers.{i}.mixer", f"backbone.layers.{i}.mixer")
        return found

    return Peer("Mamba-2", *_pair(recipe, Mamba2ForCausalLM(config), names))


def nemotron_h() -> Peer:
    """Nemotron-H: the first eight blocks of the 8B model, an eighth as wide."""
    from transformers import NemotronHConfig, NemotronHForCausalLM

    pattern = "M-M-M-M*"
    recipe = (
        HEAD
        + f"""
blocks:
  mamba2:    {{mixer: mamba2, n_heads: 16, head_dim: 64, d_state: 128, n_groups: 8}}
  attention: {{mixer: multi_head, n_heads: 4, n_kv_heads: 1, head_dim: 128}}
  ffn:       {{mixer: mlp, d_ff: 2688, activation: relu2}}
model:
  - embed: tokens
  - stack: {{pattern: {pattern!r}}}
  - norm: rmsnorm
  - head: lm
"""
    )
    config = NemotronHConfig(
        vocab_size=VOCAB, hidden_size=D, hybrid_override_pattern=pattern, num_hidden_layers=LAYERS,
        num_attention_heads=4, num_key_value_heads=1, head_dim=128, intermediate_size=2688, mamba_num_heads=16,
        mamba_head_dim=64, ssm_state_size=128, n_groups=8, num_logits_to_keep=0,
    )  # fmt: skip

    def names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        found = {
            "model.embeddings.weight": state["embed.weight"],
            "model.norm_f.weight": state["norm.weight"],
            "lm_head.weight": state["head.weight"],
        }
        for i, letter in enumerate(pattern):
            ours, theirs = f"layers.{i}.mixer", f"model.layers.{i}.mixer"
            found[f"model.layers.{i}.norm.weight"] = state[f"layers.{i}.norm.weight"]
            if letter == "M":
                found |= _mamba2_names(state, ours, theirs)
            elif letter == "-":
                found[f"{theirs}.up_proj.weight"] = state[f"{ours}.in_proj.weight"]
                found[f"{theirs}.down_proj.weight"] = state[f"{ours}.out_proj.weight"]
            else:
                parts = state[f"{ours}.qkv_proj.weight"].split((512, 128, 128))
                found |= {f"{theirs}.{n}_proj.weight": part for n, part in zip("qkv", parts, strict=True)}
                found[f"{theirs}.o_proj.weight"] = state[f"{ours}.out_proj.weight"]
        return found

    return Peer("Nemotron-H", *_pair(recipe, NemotronHForCausalLM(config), names))


PEERS = {"llama": llama, "gpt2": gpt2, "mamba2": mamba2, "nemotron_h": nemotron_h}
