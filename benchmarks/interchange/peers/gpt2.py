"""Tiny GPT-2s."""

from measure import Peer
from transformers import GPT2Config, GPT2LMHeadModel

SIZES = {
    "vocab_size": 131,
    "n_embd": 48,
    "n_layer": 3,
    "n_head": 4,
    "n_positions": 128,
    "bos_token_id": 1,
    "eos_token_id": 1,
}

PEERS = [
    Peer("tied", lambda: GPT2LMHeadModel(GPT2Config(**SIZES))),
    Peer(
        "untied, inner width",
        lambda: GPT2LMHeadModel(GPT2Config(**SIZES, n_inner=100, tie_word_embeddings=False)),
    ),
]
