"""What the decoders of Llama's kind share: heads, projections, gated FFN, embedding and head."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from blocks.foreign_config import Config
from blocks.importer import Importer, Rule, Tree, halves, rows
from blocks_hf.families.common import GATES, Found, get, swapped


def head_sizes(config: Config) -> tuple[int, int, int]:
    """Query heads, key/value heads, channels a head."""
    n_heads = config.size("num_attention_heads", 32)
    n_kv_heads = config.size("num_key_value_heads", None) or n_heads
    return n_heads, n_kv_heads, config.size("head_dim", None) or config.size("hidden_size", 4096) // n_heads


def heads(config: Config) -> Tree:
    """The mixer and the options that say them; head_dim only where it is not d_model / n_heads."""
    n_heads, n_kv_heads, head_dim = head_sizes(config)
    usual = head_dim * n_heads == config.size("hidden_size", 4096)
    mixer = {n_heads: "multi_head", 1: "multi_query"}.get(n_kv_heads, "grouped_query")
    groups = n_kv_heads if mixer == "grouped_query" else None
    return {
        "mixer": mixer, "n_heads": n_heads, "n_kv_heads": groups, "head_dim": None if usual else head_dim
    }  # fmt: skip


def gate(config: Config, key: str = "hidden_act") -> str:
    """The activation of a gated FFN."""
    return config.choice(key, GATES, "silu")


def causal_lm(importer: Importer, config: Config, *, tied: bool, **options: Any) -> list[Tree]:
    """The head's stage, if the checkpoint has one; `tied` is what the family's configs leave unsaid."""
    if not importer.head(config):
        config.get("tie_word_embeddings", None)
        return []
    own = config.tied("lm_head.weight", "model.embed_tokens.weight", tied)
    return [{"head": {"lm": {"tied": own, **options}}}]


def causal_lm_rules(norm: str) -> Iterator[Rule]:
    """Embedding, last norm and head."""
    yield Rule("embed", "model.embed_tokens")
    yield Rule("norm", norm)
    yield Rule("head", "lm_head")


def attention_rules(ours: str, theirs: str, config: Config) -> Iterator[Rule]:
    """Projections that stand apart there and in one tensor here."""
    n_heads, n_kv_heads, head_dim = head_sizes(config)
    split = rows(n_heads * head_dim, n_kv_heads * head_dim, n_kv_heads * head_dim)
    yield Rule(f"{ours}.qkv_proj", tuple(f"{theirs}.{part}_proj" for part in "qkv"), split)
    yield Rule(f"{ours}.out_proj", f"{theirs}.o_proj")


def gated_rules(ours: str, theirs: str) -> Iterator[Rule]:
    """A gated FFN."""
    yield Rule(f"{ours}.gate_up_proj", (f"{theirs}.gate_proj", f"{theirs}.up_proj"), halves)
    yield Rule(f"{ours}.out_proj", f"{theirs}.down_proj")


def found_heads(found: Found, with_head: str, without: str) -> Tree:
    """Sizes of a plan that every decoder of this kind names alike; `architectures` by whether it has a head."""
    attention, headed = found.attention(), any(stage.role == "head" for stage in found.stages)
    ffn = next(mixer for mixer in found.mixers() if "d_ff" in type(mixer).model_fields)
    sizes = found.plan.sizes
    return {
        "architectures": [with_head if headed else without],
        "hidden_size": sizes.d_model,
        "vocab_size": sizes.vocab_size,
        "num_hidden_layers": len(found.layers) // 2,
        "num_attention_heads": get(attention, "n_heads"),
        "num_key_value_heads": get(attention, "n_kv_heads"),
        "head_dim": get(attention, "head_dim"),
        "intermediate_size": get(ffn, "d_ff"),
        "hidden_act": swapped(GATES).get(get(ffn, "activation")),
        "tie_word_embeddings": found.tied() if headed else False,
    }
