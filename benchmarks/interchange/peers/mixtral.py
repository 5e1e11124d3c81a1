"""Tiny Mixtrals: two of four experts, and three of five behind a window."""

from measure import Peer
from transformers import MixtralConfig, MixtralForCausalLM

SIZES = {
    "vocab_size": 131, "hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 6,
    "num_key_value_heads": 2,
}  # fmt: skip

PEERS = [
    Peer("two of four", lambda: MixtralForCausalLM(MixtralConfig(**SIZES, num_local_experts=4))),
    Peer(
        "three of five, window, tied",
        lambda: MixtralForCausalLM(
            MixtralConfig(
                **SIZES,
                num_local_experts=5,
                num_experts_per_tok=3,
                sliding_window=9,
                head_dim=16,
                tie_word_embeddings=True,
            )
        ),
    ),
]
