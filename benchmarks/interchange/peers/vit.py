"""Tiny ViTs: classes, and the pooled vector."""

from measure import Peer
from transformers import ViTConfig, ViTForImageClassification, ViTModel

SIZES = {
    "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 80, "image_size": 24,
    "patch_size": 8,
}  # fmt: skip

PEERS = [
    Peer(
        "classes",
        lambda: ViTForImageClassification(ViTConfig(**SIZES, num_labels=7, qkv_bias=False)),
        kind="image",
    ),
    Peer("pooled", lambda: ViTModel(ViTConfig(**SIZES, hidden_act="gelu_new")), kind="image"),
]
