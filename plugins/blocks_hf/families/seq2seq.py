"""What BART and Marian share: an encoder and a decoder with biases everywhere, post-norm, one way to name them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from blocks import Plan
from blocks.foreign_config import Config
from blocks.importer import Rule, Tree, halves, thirds
from blocks.spelling import spelled
from blocks_hf.families.common import ACTIVATIONS, Found, get, swapped

STREAMS = ("encoder", "decoder")
BIASES = {"qkv_bias": True, "out_bias": True}
OLD: dict[str, bool] = {"normalize_before": False, "add_final_layer_norm": False, "is_encoder_decoder": True}
"""Keys of old configs with the one value that today's transformers stands for."""


def blocks_of(config: Config) -> Tree:
    """The vocabulary: reader and writer, what looks across, and an FFN; a second one where the widths differ."""
    for key, value in OLD.items():
        config.only(key, value)
    reads, writes = (config.size(f"{stream}_attention_heads", 16) for stream in STREAMS)
    activation = config.choice("activation_function", ACTIVATIONS, "gelu")
    inner, outer = (config.size(f"{stream}_ffn_dim", 4096) for stream in STREAMS)
    ffn = {"mixer": "mlp", "d_ff": inner, "activation": activation, "bias": True}
    return {
        "reader": {"mixer": "multi_head", "n_heads": reads, "mask": "bidirectional", **BIASES},
        "writer": {"mixer": "multi_head", "n_heads": writes, **BIASES},
        "cross": {"mixer": "multi_head", "n_heads": writes, "memory": "encoder", **BIASES},
        "ffn": ffn,
        **({"wide": ffn | {"d_ff": outer}} if inner != outer else {}),
    }


def stacks(config: Config, vocabulary: Tree) -> tuple[Tree, Tree]:
    """The stacks of encoder and decoder."""
    around = {"norm": "layernorm", "residual": "post"}
    last = "wide" if "wide" in vocabulary else "ffn"
    reading = spelled(["reader", "ffn"] * config.depth("encoder_layers", 12))
    writing = spelled(["writer", "cross", last] * config.depth("decoder_layers", 12))
    return {"stack": reading | around}, {"stack": writing | around}


def scale(config: Config) -> str | None:
    """What the embeddings are multiplied by."""
    return "sqrt(d_model)" if config.flag("scale_embedding", False) else None


def head(config: Config, *, tied: bool, vocab_size: int | None = None) -> Tree:
    """The head, whose bias is a buffer there; files may lack it where it is zero."""
    bias = not config.names or "final_logits_bias" in config.names
    return {"head": {"lm": {"tied": tied, "bias": bias, "vocab_size": vocab_size}}}


def layer_rules(config: Config) -> Iterator[Rule]:
    """All blocks of both streams, and the bias of the head."""
    yield Rule("decoder.head.bias", "final_logits_bias", lambda tensor: (tensor[None],))
    yield Rule("decoder.head", "lm_head")
    for stream, size in (("encoder", 2), ("decoder", 3)):
        for i in range(config.depth(f"{stream}_layers", 12)):
            first, here = f"{stream}.layers.{size * i}", f"model.{stream}.layers.{i}"
            ffn, cross = f"{stream}.layers.{size * i + size - 1}", f"{stream}.layers.{size * i + 1}"
            attention = tuple(f"{here}.self_attn.{part}_proj" for part in "qkv")
            yield Rule(f"{first}.mixer.qkv_proj", attention, thirds)
            yield Rule(f"{first}.mixer.out_proj", f"{here}.self_attn.out_proj")
            yield Rule(f"{first}.norm", f"{here}.self_attn_layer_norm")
            if stream == "decoder":
                keys = tuple(f"{here}.encoder_attn.{part}_proj" for part in "kv")
                yield Rule(f"{cross}.mixer.q_proj", f"{here}.encoder_attn.q_proj")
                yield Rule(f"{cross}.mixer.kv_proj", keys, halves)
                yield Rule(f"{cross}.mixer.out_proj", f"{here}.encoder_attn.out_proj")
                yield Rule(f"{cross}.norm", f"{here}.encoder_attn_layer_norm")
            yield Rule(f"{ffn}.mixer.in_proj", f"{here}.fc1")
            yield Rule(f"{ffn}.mixer.out_proj", f"{here}.fc2")
            yield Rule(f"{ffn}.norm", f"{here}.final_layer_norm")


def found_sizes(plan: Plan) -> Tree:
    """The keys that say a plan's blocks."""
    found: dict[str, Any] = {"d_model": plan.sizes.d_model, "is_encoder_decoder": True}
    for stream, size in (("encoder", 2), ("decoder", 3)):
        part = Found(plan, stream)
        found |= {
            f"{stream}_layers": len(part.layers) // size,
            f"{stream}_attention_heads": get(part.attention(), "n_heads"),
            f"{stream}_ffn_dim": get(part.mixer("mlp"), "d_ff"),
        }
    encoder, decoder = Found(plan, "encoder"), Found(plan, "decoder")
    return found | {
        "num_hidden_layers": found["encoder_layers"],
        "activation_function": swapped(ACTIVATIONS)[get(encoder.mixer("mlp"), "activation")],
        "scale_embedding": get(encoder.stage("embedding"), "scale") is not None,
        "tie_word_embeddings": decoder.tied(),
    }
