"""The operations inside attention, for a diagram with the lid off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from blocks import D, Inside, Op
from blocks_attention.costs import head_sizes, norm_params, position_params

if TYPE_CHECKING:
    from blocks_attention.specs import MultiHead


def inside(mixer: MultiHead) -> Inside:
    """Projections, norms, position and scores, as they are wired."""
    heads, kv_heads, dim = head_sizes(mixer)
    width: Any = D if mixer.memory_width is None else mixer.memory_width
    where = None if mixer.position is None else mixer.position.where
    ops: list[Op] = []

    def project(name: str, count: Any, read: str, fuse: str) -> None:
        size = count * dim
        source = D if read != "memory" else width
        tokens = "S" if read == "memory" else "T"
        params = source * size + mixer.qkv_bias * size
        ops.append(Op(name, "linear", (read,), ("B", tokens, size), params, fuse=fuse))

    def position(inputs: tuple[str, ...], shape: tuple[Any, ...]) -> None:
        assert mixer.position is not None
        params = position_params(mixer)
        ops.append(Op("position", "position", inputs, shape, params, label=mixer.position.name))

    placed, fuse = "x", "qkv_proj"
    if where == "stream":
        position(("x",), ("B", "T", D))
        placed, fuse = "position", "qk_proj"
    if mixer.memory_width is not None:
        project("q_proj", heads, "x", "")
        project("k_proj", kv_heads, "memory", "kv_proj")
        project("v_proj", kv_heads, "memory", "kv_proj")
    elif mixer.borrows:
        project("q_proj", heads, placed, "")
    else:
        project("q_proj", heads, placed, fuse)
        project("k_proj", kv_heads, placed, fuse)
        project("v_proj", kv_heads, "x", "qkv_proj" if fuse == "qkv_proj" else "")
    own_keys = not mixer.borrows
    queries, keys = "q_proj", "k_proj" if own_keys else ""
    values = "v_proj" if own_keys else ""
    if mixer.qk_norm is not None:
        of_queries, of_keys = norm_params(mixer)
        label = mixer.qk_norm.name
        if mixer.qk_norm_over == "projection":
            label += " over all heads"
        ops.append(Op("q_norm", "norm", ("q_proj",), ("B", "T", heads * dim), of_queries, label=label))
        queries = "q_norm"
        if own_keys:
            tokens = "T" if mixer.memory_width is None else "S"
            ops.append(Op("k_norm", "norm", ("k_proj",), ("B", tokens, kv_heads * dim), of_keys, label=label))
            keys = "k_norm"
    bias = ""
    if where == "heads":
        position(tuple(filter(None, (queries, keys))), ("B", "T", heads * dim))
        queries = keys = "position"
    elif where == "scores":
        position(("x",), (heads, "T", "T"))
        bias = "position"
    read = tuple(dict.fromkeys(filter(None, (queries, keys, values, bias))))
    ops.append(Op("scores", "scores", read, ("B", "T", heads * dim), label=scores_label(mixer)))
    out = heads * dim * D + mixer.out_bias * D
    ops.append(Op("out_proj", "linear", ("scores",), ("B", "T", D), out))
    return Inside(tuple(ops))


def scores_label(mixer: MultiHead) -> str:
    """`softmax attention, window 4096, 4 global tokens, capped at 50`."""
    if mixer.memory_width is not None:
        words = ["over the memory"]
    elif mixer.borrows:
        words = ["over borrowed keys"]
    elif mixer.window:
        both = "both sides" if mixer.mask == "bidirectional" else ""
        words = [f"window {mixer.window}", both]
    else:
        words = [mixer.mask]
    if mixer.global_tokens:
        words.append(f"{mixer.global_tokens} global tokens")
    if mixer.score_scale is not None:
        words.append(f"scaled by {mixer.score_scale:g}")
    if mixer.score_cap is not None:
        words.append(f"capped at {mixer.score_cap:g}")
    return ", ".join(filter(None, ("softmax attention", *words)))
