"""Tiny Gemma 2s: caps that bind, a score scale that is not head_dim's as in the 27B; and neither."""

from measure import Peer
from transformers import Gemma2Config, Gemma2ForCausalLM

SIZES = {
    "vocab_size": 131, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "sliding_window": 8,
}  # fmt: skip
CAPS = {"attn_logit_softcapping": 5.0, "final_logit_softcapping": 4.0, "query_pre_attn_scalar": 24}
FREE = {"attn_logit_softcapping": None, "final_logit_softcapping": None, "query_pre_attn_scalar": 16}

PEERS = [
    Peer("caps", lambda: Gemma2ForCausalLM(Gemma2Config(**SIZES, **CAPS))),
    Peer(
        "no caps, biases",
        lambda: Gemma2ForCausalLM(
            Gemma2Config(**SIZES, **FREE, attention_bias=True, tie_word_embeddings=False)
        ),
    ),
]
