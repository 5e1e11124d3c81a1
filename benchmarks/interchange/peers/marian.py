"""Tiny Marians: one vocabulary, and one each; the bias of the head is a buffer there."""

from typing import Any

import torch
from measure import Peer
from transformers import MarianConfig, MarianMTModel

SIZES = {
    "vocab_size": 131, "decoder_vocab_size": 131, "d_model": 48, "encoder_layers": 2, "decoder_layers": 2,
    "encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 80, "decoder_ffn_dim": 80,
    "max_position_embeddings": 128, "pad_token_id": 130, "decoder_start_token_id": 130, "scale_embedding": True,
    "activation_function": "swish", "eos_token_id": 0, "forced_eos_token_id": None,
}  # fmt: skip


def marian(**more: Any) -> Any:
    """A model with a bias that is not zero."""
    model = MarianMTModel(MarianConfig(**SIZES | more))
    model.final_logits_bias.copy_(torch.randn(model.final_logits_bias.shape))
    return model


PEERS = [
    Peer("shared", marian, kind="seq2seq"),
    Peer(
        "a vocabulary each",
        lambda: marian(share_encoder_decoder_embeddings=False, decoder_vocab_size=140),
        kind="seq2seq",
    ),
]
