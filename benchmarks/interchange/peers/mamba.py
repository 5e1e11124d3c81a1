"""Tiny Mambas."""

from measure import Peer
from transformers import MambaConfig, MambaForCausalLM

SIZES = {"vocab_size": 131, "hidden_size": 48, "num_hidden_layers": 3, "state_size": 8}

PEERS = [
    Peer("tied", lambda: MambaForCausalLM(MambaConfig(**SIZES)), pads=False),
    Peer(
        "untied, biases, rank",
        lambda: MambaForCausalLM(
            MambaConfig(
                **SIZES,
                use_bias=True,
                use_conv_bias=False,
                conv_kernel=3,
                expand=3,
                time_step_rank=5,
                tie_word_embeddings=False,
            )
        ),
        pads=False,
    ),
]
