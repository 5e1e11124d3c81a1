"""Tiny RoBERTas, whose positions begin after the padding's."""

from measure import Peer
from transformers import RobertaConfig, RobertaForMaskedLM, RobertaModel

SIZES = {
    "vocab_size": 131, "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 80,
    "max_position_embeddings": 66, "type_vocab_size": 1, "pad_token_id": 1, "layer_norm_eps": 1e-5,
}  # fmt: skip

PEERS = [
    Peer("masked", lambda: RobertaForMaskedLM(RobertaConfig(**SIZES)), kind="masked"),
    Peer("pooled", lambda: RobertaModel(RobertaConfig(**SIZES)), kind="encoder"),
]
