"""Tiny OLMo 2s: as the 7B, and with key/value heads as the 32B."""

from measure import Peer
from transformers import Olmo2Config, Olmo2ForCausalLM

SIZES = {
    "vocab_size": 131, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 3, "num_attention_heads": 6,
    "rms_norm_eps": 1e-6, "rope_parameters": {"rope_type": "default", "rope_theta": 5e5},
}  # fmt: skip

PEERS = [
    Peer("all heads", lambda: Olmo2ForCausalLM(Olmo2Config(**SIZES))),
    Peer(
        "grouped, biases, tied",
        lambda: Olmo2ForCausalLM(
            Olmo2Config(**SIZES, num_key_value_heads=2, attention_bias=True, tie_word_embeddings=True)
        ),
    ),
]
