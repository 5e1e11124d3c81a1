"""Tiny Llamas: the rotary scaling of 3.1, tied and untied, biases as some derivatives have them."""

from measure import Peer
from transformers import LlamaConfig, LlamaForCausalLM

SIZES = {
    "vocab_size": 131, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 3, "num_attention_heads": 6,
    "num_key_value_heads": 2,
}  # fmt: skip
SCALED = {
    "rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}  # fmt: skip

PEERS = [
    Peer(
        "3.1 scaling",
        lambda: LlamaForCausalLM(LlamaConfig(**SIZES, rope_parameters=SCALED, rms_norm_eps=1e-5)),
    ),
    Peer("tied", lambda: LlamaForCausalLM(LlamaConfig(**SIZES, tie_word_embeddings=True))),
    Peer(
        "biases, wide heads",
        lambda: LlamaForCausalLM(LlamaConfig(**SIZES, attention_bias=True, mlp_bias=True, head_dim=16)),
    ),
]
