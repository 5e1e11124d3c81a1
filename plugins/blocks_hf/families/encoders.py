"""What BERT and its kind share: bidirectional attention and FFN with biases, post-norm, over normalised embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from blocks import Plan
from blocks.foreign_config import Config
from blocks.importer import Rule, Tree, thirds
from blocks.spelling import spelled
from blocks_hf.families.common import ACTIVATIONS, Found, get, swapped


def encoder(
    *,
    d_model: int,
    depth: int,
    n_heads: int,
    d_ff: int,
    activation: str,
    eps: float,
    embed: Any,
    position: Tree,
) -> Tree:
    """The recipe of an encoder up to its heads, as `model` has its stages; depth counts layers of two blocks."""
    norm = {"layernorm": {"eps": eps}}
    attention = {
        "mixer": "multi_head", "n_heads": n_heads, "mask": "bidirectional", "qkv_bias": True, "out_bias": True
    }  # fmt: skip
    return {
        "blocks": {
            "attention": attention,
            "ffn": {"mixer": "mlp", "d_ff": d_ff, "activation": activation, "bias": True},
        },
        "model": [
            {"embed": embed},
            {"position": position},
            {"norm": norm},
            {"stack": spelled(["attention", "ffn"] * depth) | {"norm": norm, "residual": "post"}},
        ],
    }


def labels(config: Config) -> int:
    """Classes of a classifier: as many as there are labels, 2 where nothing is said."""
    named = config.get("id2label", None)
    if named and not isinstance(named, Mapping):
        config.refuse("id2label", "id2label is not a mapping", "label 0 is the value at 0")
        return 1
    return len(named) if named else config.size("num_labels", 2)


def encoder_rules(depth: int, here: str, names: dict[str, str]) -> Iterator[Rule]:
    """The layers of an encoder: `here` is the path of one with {i}, `names` what its six parts are called.

    qkv is three names with a blank between them.
    """
    for i in range(depth):
        attention, ffn, layer = f"layers.{2 * i}", f"layers.{2 * i + 1}", here.format(i=i)
        parts = {
            f"{attention}.mixer.out_proj": "out",
            f"{attention}.norm": "attention_norm",
            f"{ffn}.mixer.in_proj": "up",
            f"{ffn}.mixer.out_proj": "down",
            f"{ffn}.norm": "ffn_norm",
        }
        qkv = tuple(f"{layer}.{name}" for name in names["qkv"].split())
        yield Rule(f"{attention}.mixer.qkv_proj", qkv, thirds)
        for ours, part in parts.items():
            yield Rule(ours, f"{layer}.{names[part]}")


BERT_LAYER = {
    "qkv": "attention.self.query attention.self.key attention.self.value",
    "out": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
    "ffn_norm": "output.LayerNorm",
}
"""The parts of a layer as BERT and RoBERTa name them."""


def bert_body(prefix: str, depth: int) -> Iterator[Rule]:
    """Embeddings and layers as BERT and RoBERTa name them."""
    embeddings = f"{prefix}embeddings"
    yield Rule("embed.weight", f"{embeddings}.word_embeddings.weight")
    yield Rule("embed.types", f"{embeddings}.token_type_embeddings")
    yield Rule("position", f"{embeddings}.position_embeddings")
    yield Rule("norm", f"{embeddings}.LayerNorm")
    yield from encoder_rules(depth, f"{prefix}encoder.layer.{{i}}", BERT_LAYER)


def bert_sizes(config: Config) -> Tree:
    """The sizes of BERT's config, as `encoder` takes them; what old configs could say besides is refused."""
    config.only("position_embedding_type", "absolute")
    return {
        "d_model": config.size("hidden_size", 768),
        "depth": config.depth("num_hidden_layers", 12),
        "n_heads": config.size("num_attention_heads", 12),
        "d_ff": config.size("intermediate_size", 3072),
        "activation": config.choice("hidden_act", ACTIVATIONS, "gelu"),
        "eps": config.number("layer_norm_eps", 1e-12),
        "embed": {"tokens": {"n_types": config.size("type_vocab_size", 2)}},
    }


def found_sizes(plan: Plan) -> Tree:
    """The same of a plan."""
    found = Found(plan)
    attention, ffn = found.attention(), found.mixer("mlp")
    return {
        "hidden_size": plan.sizes.d_model,
        "vocab_size": plan.sizes.vocab_size,
        "num_hidden_layers": len(found.layers) // 2,
        "num_attention_heads": get(attention, "n_heads"),
        "intermediate_size": get(ffn, "d_ff"),
        "hidden_act": swapped(ACTIVATIONS)[get(ffn, "activation")],
        "layer_norm_eps": get(found.norm(), "eps"),
    }
