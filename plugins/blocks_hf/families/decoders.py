"""What the decoders of Llama's kind share: heads, projections, gated FFN, embedding and head, in both directions.

A layer of theirs is two blocks here: layer i is `layers.{2i}`, its attention, and `layers.{2i+1}`, its FFN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from blocks.foreign_config import Config
from blocks.importer import Importer, Rule, Tree, halves, rows
from blocks.spelling import spelled
from blocks_hf.families.common import GATES, Found, get, swapped
from blocks_hf.families.rotary import rope_parameters

NORMS = {"norm": ("input_layernorm", "post_attention_layernorm")}
"""Our norm of a block -> theirs of the attention, and of the FFN: Llama's, where the second stands before the FFN."""
SANDWICH = {
    "norm": ("input_layernorm", "pre_feedforward_layernorm"),
    "out_norm": ("post_attention_layernorm", "post_feedforward_layernorm"),
}
"""The same of families that have norms after attention and FFN."""


# From a config


def head_sizes(config: Config) -> tuple[int, int, int]:
    """Query heads, key/value heads, channels a head."""
    n_heads = config.size("num_attention_heads", 32)
    n_kv_heads = config.size("num_key_value_heads", None) or n_heads
    return n_heads, n_kv_heads, config.size("head_dim", None) or config.size("hidden_size", 4096) // n_heads


def heads(config: Config, window: int | None = None) -> Tree:
    """The mixer and the options that say them; head_dim only where it is not d_model / n_heads."""
    n_heads, n_kv_heads, head_dim = head_sizes(config)
    mixer = {n_heads: "multi_head", 1: "multi_query"}.get(n_kv_heads, "grouped_query")
    implied = n_kv_heads == n_heads or (mixer == "multi_query" and window is None)
    return {
        "mixer": mixer if window is None else "sliding_window",
        "window": window,
        "n_heads": n_heads,
        "n_kv_heads": None if implied else n_kv_heads,
        "head_dim": None if head_dim * n_heads == config.size("hidden_size") else head_dim,
    }


def windows(config: Config, window: int | None, usual: Callable[[int], bool]) -> list[int | None]:
    """The window of each layer, None where it sees everything: by `layer_types`, else where `usual` says so.

    `window` is that of `sliding_attention`, None where there is none.
    """
    count = config.depth("num_hidden_layers")
    types = config.get("layer_types", None)
    if types is None:
        return [window if usual(layer) else None for layer in range(count)]
    known = {"full_attention": None} | ({} if window is None else {"sliding_attention": window})
    if isinstance(types, list) and len(types) == count and all(kind in known for kind in types):
        return [known[kind] for kind in types]
    config.refuse("layer_types", f"layer_types are not {count} times {' or '.join(known)}")
    return [None] * count


def layers(seen: Sequence[int | None], attention: Callable[[int | None], Tree]) -> tuple[Tree, list[str]]:
    """Blocks of attention for these windows, and the names of all blocks in order: after each, `ffn`."""
    kinds = dict.fromkeys(seen)
    names = {window: "global" if window is None else "local" for window in kinds}
    if len(kinds) == 1:
        names = dict.fromkeys(kinds, "attention")
    order = [name for window in seen for name in (names[window], "ffn")]
    return {names[window]: attention(window) for window in kinds}, order


def gate(config: Config, key: str = "hidden_act") -> str:
    """The activation of a gated FFN."""
    return config.choice(key, GATES, "silu")


def gated_ffn(config: Config, key: str = "hidden_act") -> Tree:
    """A gated FFN without biases; `key` names its activation."""
    return {"mixer": "gated_mlp", "d_ff": config.size("intermediate_size"), "activation": gate(config, key)}


def rmsnorm(config: Config, **options: Any) -> Tree:
    """The norm with the eps of the config."""
    return {"rmsnorm": {**options, "eps": config.number("rms_norm_eps")}}


def decoder(
    importer: Importer,
    config: Config,
    blocks: Tree,
    order: list[str],
    norm: Tree,
    *,
    around: Tree | None = None,
    embed: Any = "tokens",
    **head: Any,
) -> Tree:
    """A recipe of blocks in this order: embedding, stack, last norm, head.

    `around` is what the stack says besides its blocks, by default that `norm` comes first; `head` are options.
    """
    return {
        "d_model": config.size("hidden_size"),
        "vocab_size": config.size("vocab_size"),
        "blocks": blocks,
        "model": [
            {"embed": embed},
            {"stack": spelled(order) | ({"norm": norm} if around is None else around)},
            {"norm": norm},
            *causal_lm(importer, config, **head),
        ],
    }


def causal_lm(
    importer: Importer,
    config: Config,
    *,
    tied: bool = False,
    head: str = "lm_head.weight",
    table: str = "model.embed_tokens.weight",
    **options: Any,
) -> list[Tree]:
    """The head's stage, if the checkpoint has one; `tied` is what the family's configs leave unsaid.

    `head` and `table` are names of tensors.
    """
    if not importer.head(config):
        config.get("tie_word_embeddings", None)
        return []
    return [{"head": {"lm": {"tied": config.tied(head, table, tied), **options}}}]


# Names of tensors


def decoder_rules(config: Config, norms: Mapping[str, tuple[str, str]] = NORMS) -> Iterator[Rule]:
    """Every tensor of a decoder whose projections stand apart."""
    yield from causal_lm_rules("model.norm")
    for attention, ffn, here in decoder_layers(config):
        yield from norm_rules(attention, ffn, here, norms)
        yield from attention_rules(f"{attention}.mixer", f"{here}.self_attn", config)
        yield from gated_rules(f"{ffn}.mixer", f"{here}.mlp")


def decoder_layers(config: Config) -> Iterator[tuple[str, str, str]]:
    """The paths of attention and FFN here, and the name of their layer there."""
    for i in range(config.depth("num_hidden_layers")):
        yield f"layers.{2 * i}", f"layers.{2 * i + 1}", f"model.layers.{i}"


def causal_lm_rules(norm: str) -> Iterator[Rule]:
    """Embedding, last norm and head."""
    yield Rule("embed", "model.embed_tokens")
    yield Rule("norm", norm)
    yield Rule("head", "lm_head")


def norm_rules(
    attention: str, ffn: str, here: str, norms: Mapping[str, tuple[str, str]] = NORMS
) -> Iterator[Rule]:
    """The norms around attention and FFN."""
    for ours, theirs in norms.items():
        for block, name in zip((attention, ffn), theirs, strict=True):
            yield Rule(f"{block}.{ours}", f"{here}.{name}")


def attention_rules(ours: str, theirs: str, config: Config) -> Iterator[Rule]:
    """Projections that stand apart there and in one tensor here; norms of queries and keys where there are any."""
    n_heads, n_kv_heads, head_dim = head_sizes(config)
    split = rows(n_heads * head_dim, n_kv_heads * head_dim, n_kv_heads * head_dim)
    yield Rule(f"{ours}.qkv_proj", tuple(f"{theirs}.{part}_proj" for part in "qkv"), split)
    yield Rule(f"{ours}.out_proj", f"{theirs}.o_proj")
    for part in "qk":
        yield Rule(f"{ours}.{part}_norm", f"{theirs}.{part}_norm")


def gated_rules(ours: str, theirs: str) -> Iterator[Rule]:
    """A gated FFN."""
    yield Rule(f"{ours}.gate_up_proj", (f"{theirs}.gate_proj", f"{theirs}.up_proj"), halves)
    yield Rule(f"{ours}.out_proj", f"{theirs}.down_proj")


# From a plan


def found_decoder(importer: Importer, found: Found) -> Tree:
    """The keys that all decoders of this kind have, of a plan."""
    named = swapped(importer.architectures)
    return {
        **found_heads(found, named["lm"], named[""]),
        "rms_norm_eps": get(found.stage("norm"), "eps"),
        "rope_parameters": rope_parameters(get(found.attention(), "position")),
    }


def found_heads(found: Found, with_head: str, without: str) -> Tree:
    """Sizes of a plan that every decoder of this kind names alike; `architectures` by whether it has a head."""
    attention, headed = found.attention(), any(stage.role == "head" for stage in found.stages)
    ffn, sizes = found.mixer("gated_mlp", "mlp", "moe"), found.plan.sizes
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


def found_windows(found: Found) -> Tree:
    """`sliding_window` and `layer_types` of a plan's attention."""
    seen = [get(mixer, "window") for mixer in found.mixers() if "n_kv_heads" in type(mixer).model_fields]
    types = ["full_attention" if window is None else "sliding_attention" for window in seen]
    return {"sliding_window": next(filter(None, seen), None), "layer_types": types}


# Qwen's windows


def qwen_windows(config: Config) -> list[int | None]:
    """The window of each layer: the upper ones have it, if any has."""
    window, on = config.size("sliding_window", None), config.flag("use_sliding_window")
    lowest = config.size("max_window_layers") if config.get("max_window_layers") != 0 else 0
    return windows(config, window if on else None, lambda layer: layer >= lowest)


def found_qwen_windows(found: Found) -> Tree:
    """What says the windows of a plan; `max_window_layers` for versions that know no `layer_types`."""
    keys = found_windows(found)
    on, full = keys["sliding_window"] is not None, keys["layer_types"].count("full_attention")
    return keys | {"use_sliding_window": on, "max_window_layers": full}
