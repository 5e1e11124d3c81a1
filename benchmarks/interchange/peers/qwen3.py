"""Tiny Qwen3s: tied and with wide heads as the 0.6B; YaRN, as its card advises for long texts."""

from measure import Peer
from transformers import Qwen3Config, Qwen3ForCausalLM

SIZES = {
    "vocab_size": 131, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 3, "num_attention_heads": 6,
    "num_key_value_heads": 2, "head_dim": 16,
}  # fmt: skip
YARN = {"rope_type": "yarn", "rope_theta": 1e6, "factor": 4.0, "original_max_position_embeddings": 32}

PEERS = [
    Peer("tied", lambda: Qwen3ForCausalLM(Qwen3Config(**SIZES, tie_word_embeddings=True))),
    Peer(
        "yarn, biases, one window",
        lambda: Qwen3ForCausalLM(
            Qwen3Config(
                **SIZES,
                rope_parameters=YARN,
                attention_bias=True,
                use_sliding_window=True,
                sliding_window=8,
                layer_types=["full_attention", "sliding_attention", "full_attention"],
            )
        ),
    ),
]
