"""Tiny Nemotron-Hs: the layout of the 8B, one without rhythm, and experts of their own width.

Time steps stay above 0.001, to which transformers raises smaller ones in a prompt.
"""

from typing import Any

import torch
from measure import Peer
from transformers import NemotronHConfig, NemotronHForCausalLM

SIZES = {
    "vocab_size": 131, "hidden_size": 48, "mamba_num_heads": 4, "mamba_head_dim": 16, "n_groups": 2,
    "ssm_state_size": 8, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "intermediate_size": 80,
    "chunk_size": 8,
}  # fmt: skip


def made(pattern: str, **more: Any) -> Any:
    """A model whose time steps are about log(1 + e)."""
    model = NemotronHForCausalLM(NemotronHConfig(**SIZES, hybrid_override_pattern=pattern, **more))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("dt_bias"):
                parameter.fill_(1.0)
        for name, buffer in model.named_buffers():
            if name.endswith("e_score_correction_bias"):
                buffer.normal_(std=0.1)
    return model


PEERS = [
    Peer("scattered attention", lambda: made("M-M*-M-M-"), pads=False),
    Peer(
        "no rhythm, biases",
        lambda: made("M*-MM--", use_bias=True, mlp_bias=True, use_conv_bias=False, mlp_hidden_act="silu"),
        pads=False,
    ),
    Peer(
        "experts",
        lambda: made(
            "ME*EM-",
            n_routed_experts=5,
            num_experts_per_tok=3,
            moe_intermediate_size=24,
            moe_latent_size=32,
            moe_shared_expert_intermediate_size=40,
            routed_scaling_factor=2.5,
        ),
        pads=False,
    ),
]
