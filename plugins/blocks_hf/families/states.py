"""What families with selective state spaces share: time steps and their limits, tensors of Mamba and Mamba-2."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf
from typing import Any

from blocks import Mixer
from blocks.foreign_config import Config
from blocks.importer import Importer, Rule, Tree, tap
from blocks.spelling import spelled
from blocks_hf.families.common import Found, get, swapped

HARMLESS = (
    "time_step_min", "time_step_max", "time_step_floor", "time_step_rank", "time_step_scale", "time_step_init_scheme",
    "mamba_dt_min", "mamba_dt_max", "mamba_dt_init_floor",
    "residual_in_fp32",  # in half precision the sum of the blocks is kept in fp32 there
    "chunk_size", "mamba_chunk_size", "num_logits_to_keep", "mamba_ssm_cache_dtype", "fused_add_norm",
    "pad_vocab_size_multiple",
)  # fmt: skip
"""Keys that say how time steps start, how numbers are rounded, and how fast it goes."""


def backbone(
    importer: Importer,
    config: Config,
    blocks: Mapping[str, Tree],
    order: list[str],
    *,
    eps: float,
) -> Tree:
    """A recipe of these blocks, pre-norm with RMSNorm."""
    norm = {"rmsnorm": {"eps": eps}}
    model = [{"embed": "tokens"}, {"stack": spelled(order) | {"norm": norm}}, {"norm": norm}]
    if importer.head(config):
        model.append({"head": {"lm": {"tied": config.tied("lm_head.weight", "backbone.embeddings.weight")}}})
    else:
        config.get("tie_word_embeddings", None)
    return {
        "d_model": config.size("hidden_size"),
        "vocab_size": config.size("vocab_size"),
        "blocks": {name: block for name, block in blocks.items() if name in order},
        "model": model,
    }


def layout(config: Config, **spellings: Mapping[str, str]) -> list[str]:
    """The kind of each block, from the keys that spell it: lists of names, or patterns of letters, that agree."""
    said = {key: config.get(key) for key in spellings if key in config.values} or {
        next(iter(spellings)): None
    }
    orders = {
        key: [spellings[key].get(str(kind), "") for kind in kinds] if isinstance(kinds, list | str) else []
        for key, kinds in said.items()
    }
    first = next(iter(orders.values()))
    for key, order in orders.items():
        if not order or "" in order:
            known = f"known: {', '.join(spellings[key])}"
            config.refuse(key, f"{key} = {said[key]!r:.60} does not say what each block is", known)
        elif order != first:
            config.refuse(key, f"{key} = {said[key]!r:.60}, where {next(iter(orders))} says otherwise")
    return [kind or "ffn" for kind in first] or ["ffn"]


def found_backbone(importer: Importer, found: Found) -> Tree:
    """What config.json says of every one of them, of a plan."""
    head = next((stage.component for stage in found.stages if stage.role == "head"), None)
    return {
        "architectures": [swapped(importer.architectures)["" if head is None else head.name]],
        "hidden_size": found.plan.sizes.d_model,
        "vocab_size": found.plan.sizes.vocab_size,
        "tie_word_embeddings": found.tied() if head is not None else False,
    }


# Mamba-2 inside of a block


KEYS = {
    "n_groups": "n_groups", "d_conv": "conv_kernel", "bias": "use_bias", "conv_bias": "use_conv_bias",
    "eps": "layer_norm_epsilon",
}  # fmt: skip
"""Our options -> keys, those that most families call the same."""


_IN_PROMPTS = (
    "Time steps keep to their limits everywhere; transformers forgets them where it decodes with its cache."
)


def mamba2(
    config: Config, keys: Mapping[str, str], activation: str = "hidden_act", note: str = _IN_PROMPTS
) -> Tree:
    """The mixer, of a config that calls our options by these keys.

    `activation` follows the convolution; `note` says what transformers makes of limits of the time step.
    """
    config.only(activation, "silu", "swish")
    limits = _time_step_limit(config)
    if any(limit is not None for limit in limits.values()):
        config.note(note)
    sizes = ("n_heads", "head_dim", "d_state", "n_groups", "d_conv")
    return {
        "mixer": "mamba2",
        **{option: config.size(keys[option]) for option in sizes},
        **{option: config.flag(keys[option]) for option in ("bias", "conv_bias")},
        "eps": config.number(keys["eps"]),
        **limits,
    }


def found_mamba2(mixer: Mixer, keys: Mapping[str, str]) -> Tree:
    """The keys that say a mixer; `time_step_limit` only where there is one."""
    said = {key: get(mixer, option) for option, key in keys.items()}
    lower, upper = get(mixer, "dt_lower"), get(mixer, "dt_upper")
    if (lower, upper) != (None, None):
        said["time_step_limit"] = [lower or 0.0, inf if upper is None else upper]
    return said


def _time_step_limit(config: Config) -> Tree:
    """`dt_lower` and `dt_upper` of a pair of limits; 0 and infinity bound nothing."""
    said = config.get("time_step_limit", None)
    if said is None:
        return {}
    match [_limit(one) for one in said] if isinstance(said, list | tuple) else []:
        case [float(lower), float(upper)] if lower <= upper and upper > 0:
            return {
                "dt_lower": lower if lower > 0 else None,
                "dt_upper": None if upper == inf else upper,
            }
    message = f"time_step_limit = {said!r:.60} is not a lower limit and an upper one above it"
    config.refuse("time_step_limit", message)
    return {}


def _limit(value: Any) -> float | None:
    """A limit as JSON has it: infinity as `Infinity`, or as transformers 5 writes it."""
    if isinstance(value, Mapping):
        value = {"Infinity": inf, "-Infinity": -inf}.get(str(value.get("__float__")))
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


# Tensors


def scan_rules(ours: str, theirs: str, *linear: str) -> Iterator[Rule]:
    """A mixer of either kind: A, D and what else has their name, the convolution, and linear maps."""
    yield Rule(ours, theirs)
    yield Rule(f"{ours}.conv_weight", f"{theirs}.conv1d.weight", tap)
    yield Rule(f"{ours}.conv_bias", f"{theirs}.conv1d.bias")
    for name in ("in_proj", "out_proj", *linear):
        yield Rule(f"{ours}.{name}", f"{theirs}.{name}")


def backbone_rules(layers: int) -> Iterator[Rule]:
    """Embedding, norms and head where blocks stand in one list of theirs too."""
    yield Rule("embed", "backbone.embeddings")
    yield Rule("norm", "backbone.norm_f")
    yield Rule("head", "lm_head")
    for i in range(layers):
        yield Rule(f"layers.{i}.norm", f"backbone.layers.{i}.norm")
