"""Tiny Bambas: half of each head turned, and biases everywhere."""

from measure import Peer
from transformers import BambaConfig, BambaForCausalLM

SIZES = {
    "vocab_size": 131, "hidden_size": 48, "intermediate_size": 80, "num_attention_heads": 4, "num_key_value_heads": 2,
    "mamba_n_heads": 6, "mamba_d_state": 8, "mamba_chunk_size": 8,
}  # fmt: skip

PEERS = [
    Peer(
        "half turned",
        lambda: BambaForCausalLM(BambaConfig(**SIZES, num_hidden_layers=4, attn_layer_indices=[1])),
        pads=False,
    ),
    Peer(
        "groups, biases, tied",
        lambda: BambaForCausalLM(
            BambaConfig(
                **SIZES,
                num_hidden_layers=3,
                attn_layer_indices=[0, 2],
                mamba_n_groups=2,
                mamba_proj_bias=True,
                mamba_conv_bias=False,
                attention_bias=True,
                mlp_bias=True,
                tie_word_embeddings=True,
                rope_parameters={"rope_type": "default", "rope_theta": 5e4, "partial_rotary_factor": 1.0},
            )
        ),
        pads=False,
    ),
]
