"""Tiny Phis: the window of Phi-3-mini, and the partial rotation of Phi-4-mini."""

from measure import Peer
from transformers import Phi3Config, Phi3ForCausalLM

SIZES = {
    "vocab_size": 131, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 3, "num_attention_heads": 3,
    "pad_token_id": 0,
}  # fmt: skip
PARTIAL = {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.75}

PEERS = [
    Peer("window", lambda: Phi3ForCausalLM(Phi3Config(**SIZES, sliding_window=8))),
    Peer(
        "partial rotation, tied",
        lambda: Phi3ForCausalLM(
            Phi3Config(**SIZES, rope_parameters=PARTIAL, num_key_value_heads=1, tie_word_embeddings=True)
        ),
    ),
]
