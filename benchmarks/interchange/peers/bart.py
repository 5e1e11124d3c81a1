"""Tiny BARTs; the bias of the head is a buffer there, so it is randomised too."""

from typing import Any

import torch
from measure import Peer
from transformers import BartConfig, BartForConditionalGeneration

SIZES = {
    "vocab_size": 131, "d_model": 48, "encoder_layers": 2, "decoder_layers": 3, "encoder_attention_heads": 4,
    "decoder_attention_heads": 3, "encoder_ffn_dim": 80, "decoder_ffn_dim": 80, "max_position_embeddings": 80,
    "decoder_start_token_id": 2,
}  # fmt: skip


def bart(**more: Any) -> Any:
    """A model with a bias that is not zero."""
    model = BartForConditionalGeneration(BartConfig(**SIZES | more))
    model.final_logits_bias.copy_(torch.randn(model.final_logits_bias.shape))
    return model


PEERS = [
    Peer("plain", bart, kind="seq2seq"),
    Peer("scaled, wider decoder", lambda: bart(scale_embedding=True, decoder_ffn_dim=96), kind="seq2seq"),
]
