"""Tiny DistilBERTs."""

from measure import Peer
from transformers import DistilBertConfig, DistilBertForMaskedLM, DistilBertModel

SIZES = {
    "vocab_size": 131, "dim": 48, "n_layers": 2, "n_heads": 4, "hidden_dim": 80, "max_position_embeddings": 64
}  # fmt: skip

PEERS = [
    Peer("masked", lambda: DistilBertForMaskedLM(DistilBertConfig(**SIZES)), kind="masked"),
    Peer("states", lambda: DistilBertModel(DistilBertConfig(**SIZES)), kind="encoder"),
]
