"""Tiny Mamba-2s: groups as Codestral has them, tied as the first ones, limits of the time step that bind."""

from measure import Peer
from transformers import Mamba2Config, Mamba2ForCausalLM

SIZES = {
    "vocab_size": 131, "hidden_size": 48, "num_hidden_layers": 3, "num_heads": 6, "head_dim": 16, "state_size": 8,
    "chunk_size": 8,
}  # fmt: skip

PEERS = [
    Peer(
        "groups, untied",
        lambda: Mamba2ForCausalLM(Mamba2Config(**SIZES, n_groups=2, layer_norm_epsilon=1e-3)),
        pads=False,
    ),
    Peer(
        "limits, tied, biases",
        lambda: Mamba2ForCausalLM(
            Mamba2Config(
                **SIZES,
                n_groups=1,
                use_bias=True,
                use_conv_bias=False,
                time_step_limit=(0.01, 0.02),
                tie_word_embeddings=True,
            )
        ),
        pads=False,
        cache=False,
    ),
]
