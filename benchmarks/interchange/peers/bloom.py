"""Tiny BLOOMs: tied with 8 heads, and untied with 6, whose slopes are no powers of one number."""

from measure import Peer
from transformers import BloomConfig, BloomForCausalLM

SIZES = {"vocab_size": 131, "hidden_size": 48, "n_layer": 3}

PEERS = [
    Peer("tied", lambda: BloomForCausalLM(BloomConfig(**SIZES, n_head=8))),
    Peer(
        "six heads, untied",
        lambda: BloomForCausalLM(BloomConfig(**SIZES, n_head=6, tie_word_embeddings=False)),
    ),
]
