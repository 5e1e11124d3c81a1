"""Tiny BERTs: masked words, both heads of pretraining, the pooled vector, classes; eps as published."""

from measure import Peer
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForPreTraining,
    BertForSequenceClassification,
    BertModel,
)

SIZES = {
    "vocab_size": 131, "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 80,
    "max_position_embeddings": 64,
}  # fmt: skip

PEERS = [
    Peer("masked", lambda: BertForMaskedLM(BertConfig(**SIZES)), kind="masked"),
    Peer("pretraining", lambda: BertForPreTraining(BertConfig(**SIZES)), kind="heads"),
    Peer("pooled", lambda: BertModel(BertConfig(**SIZES, hidden_act="gelu_new")), kind="encoder"),
    Peer("classes", lambda: BertForSequenceClassification(BertConfig(**SIZES, num_labels=5)), kind="classes"),
]
