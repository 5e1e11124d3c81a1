"""Tiny GPT-NeoXs: Pythia's shape, the 20B's GELU, and layers in turn without biases."""

from measure import Peer
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

SIZES = {
    "vocab_size": 131, "hidden_size": 64, "intermediate_size": 100, "num_hidden_layers": 3, "num_attention_heads": 4,
}  # fmt: skip
HALF = {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5}

PEERS = [
    Peer("parallel", lambda: GPTNeoXForCausalLM(GPTNeoXConfig(**SIZES))),
    Peer(
        "in turn, no biases, tied",
        lambda: GPTNeoXForCausalLM(
            GPTNeoXConfig(
                **SIZES,
                use_parallel_residual=False,
                attention_bias=False,
                hidden_act="gelu_fast",
                rope_parameters=HALF,
                layer_norm_eps=1e-3,
                tie_word_embeddings=True,
            )
        ),
    ),
]
