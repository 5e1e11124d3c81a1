"""Tiny T5s: 1.0 with a tied and scaled head, 1.1 gated with its own. Scores are not scaled, so weights stay small."""

from typing import Any

from measure import Peer
from torch import nn
from transformers import T5Config, T5ForConditionalGeneration

SIZES = {
    "vocab_size": 131, "d_model": 48, "d_kv": 16, "d_ff": 80, "num_layers": 2, "num_heads": 2,
    "decoder_start_token_id": 0, "dropout_rate": 0.0,
}  # fmt: skip


def own_head() -> Any:
    """1.1 as published: gated, the head has a table of its own."""
    config = T5Config(**SIZES, feed_forward_proj="gated-gelu", tie_word_embeddings=False)
    model = T5ForConditionalGeneration(config)
    model.lm_head.weight = nn.Parameter(model.lm_head.weight.detach().clone())
    return model


PEERS = [
    Peer("1.0", lambda: T5ForConditionalGeneration(T5Config(**SIZES)), kind="seq2seq", scale=0.1),
    Peer("1.1", own_head, kind="seq2seq", scale=0.1),
    Peer(  # transformers' cache has as many layers as the encoder, and fails
        "deeper decoder",
        lambda: T5ForConditionalGeneration(T5Config(**SIZES, num_decoder_layers=3)),
        kind="seq2seq",
        scale=0.1,
        decodes=False,
    ),
]
