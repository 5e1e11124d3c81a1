"""Tiny Qwen2s: tied as the small ones, and with a window in the upper layers."""

from measure import Peer
from transformers import Qwen2Config, Qwen2ForCausalLM

SIZES = {
    "vocab_size": 131, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 3, "num_attention_heads": 6,
    "num_key_value_heads": 2, "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
}  # fmt: skip
WINDOW = {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1}

PEERS = [
    Peer("tied", lambda: Qwen2ForCausalLM(Qwen2Config(**SIZES, tie_word_embeddings=True))),
    Peer("window above", lambda: Qwen2ForCausalLM(Qwen2Config(**SIZES, **WINDOW))),
]
