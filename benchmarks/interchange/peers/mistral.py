"""Tiny Mistrals: the window of v0.1, none as in v0.3, and one without a head."""

from measure import Peer
from transformers import MistralConfig, MistralForCausalLM, MistralModel

SIZES = {
    "vocab_size": 131, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 3, "num_attention_heads": 6,
    "num_key_value_heads": 2, "rms_norm_eps": 1e-5,
}  # fmt: skip
V3 = {"sliding_window": None, "head_dim": 16, "rope_parameters": {"rope_type": "default", "rope_theta": 1e6}}

PEERS = [
    Peer("window", lambda: MistralForCausalLM(MistralConfig(**SIZES, sliding_window=8))),
    Peer("no window, wide heads", lambda: MistralForCausalLM(MistralConfig(**SIZES, **V3))),
    Peer("no head", lambda: MistralModel(MistralConfig(**SIZES, sliding_window=8)), kind="encoder"),
]
