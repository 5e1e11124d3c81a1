"""Tiny Phis: the window of Phi-3-mini, the partial rotation of Phi-4-mini, the LongRoPE of both."""

from measure import Peer
from transformers import Phi3Config, Phi3ForCausalLM

SIZES = {
    "vocab_size": 131, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 3, "num_attention_heads": 3,
    "pad_token_id": 0,
}  # fmt: skip
PARTIAL = {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.75}
LONG = {
    "rope_type": "longrope", "rope_theta": 1e4, "partial_rotary_factor": 0.75,
    "short_factor": [1.0 + 0.2 * i for i in range(6)], "long_factor": [1.0 + 3.0 * i for i in range(6)],
}  # fmt: skip
REACH = {"max_position_embeddings": 4096, "original_max_position_embeddings": 128}

PEERS = [
    Peer("window", lambda: Phi3ForCausalLM(Phi3Config(**SIZES, sliding_window=8))),
    Peer(
        "partial rotation, tied",
        lambda: Phi3ForCausalLM(
            Phi3Config(**SIZES, rope_parameters=PARTIAL, num_key_value_heads=1, tie_word_embeddings=True)
        ),
    ),
    Peer("longrope", lambda: Phi3ForCausalLM(Phi3Config(**SIZES, **REACH, rope_parameters=LONG))),
]
