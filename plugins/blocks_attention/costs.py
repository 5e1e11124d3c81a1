"""What attention costs: one multiply-add is 2 FLOPs, masked scores that are computed count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from blocks import Cost, D, Polynomial, S, Saved, T, minimum

if TYPE_CHECKING:
    from blocks_attention.specs import MultiHead


def head_sizes(mixer: MultiHead) -> tuple[Any, Any, Any]:
    """Heads, key/value heads and channels a head: numbers once bound, else with d_model = D."""
    dim: Any = mixer.head_dim or (D / mixer.n_heads if mixer.n_heads else 64)
    heads: Any = mixer.n_heads or D / dim
    return heads, mixer.n_kv_heads or heads, dim


def position_params(mixer: MultiHead) -> Any:
    """Parameters of the position, at its own width."""
    if mixer.position is None:
        return 0
    heads, _, dim = head_sizes(mixer)
    width = {"stream": D, "scores": heads}.get(mixer.position.where, dim)
    return Polynomial.of(mixer.position.cost().params).evaluate({"D": width})


def norm_params(mixer: MultiHead) -> tuple[Any, Any]:
    """Parameters of the norm of the queries, and of that of the keys, which are none where they are borrowed."""
    if mixer.qk_norm is None:
        return 0, 0
    heads, kv_heads, dim = head_sizes(mixer)
    if mixer.qk_norm_over == "head":
        heads = kv_heads = 1
    each = Polynomial.of(mixer.qk_norm.cost().params)
    return each.evaluate({"D": heads * dim}), 0 if mixer.borrows else each.evaluate({"D": kv_heads * dim})


def cost(mixer: MultiHead) -> Cost:
    """Parameters, FLOPs, FLOPs of a step, and state."""
    heads, kv_heads, dim = head_sizes(mixer)
    queries, keys = heads * dim, kv_heads * dim
    params = position_params(mixer) + sum(norm_params(mixer))
    params = params + mixer.qkv_bias * queries + mixer.out_bias * D
    own = 2 * D * queries  # q_proj and out_proj
    if mixer.borrows:
        return Cost(
            params=params + own,
            flops=2 * own * T + 4 * queries * T * T,
            step=2 * own + 4 * queries * (T + 1),
        )
    params = params + mixer.qkv_bias * 2 * keys
    if mixer.memory_width is not None:
        read = 2 * mixer.memory_width * keys  # kv_proj, once for the memory
        return Cost(
            params=params + own + read,
            flops=2 * own * T + 2 * read * S + 4 * queries * T * S,
            step=2 * own + 4 * queries * S,
            state=2 * keys * S,
        )
    weights = own + 2 * D * keys
    params = params + weights
    if mixer.window is None:
        flops = 2 * weights * T + 4 * queries * T * T
        if mixer.mask == "bidirectional":
            return Cost(params, flops)
        step = 2 * weights + 4 * queries * (T + 1)
        return Cost(params, flops, step, state=2 * keys * T)
    return windowed(mixer, params, weights, queries, keys)


def windowed(mixer: MultiHead, params: Any, weights: Any, queries: Any, keys: Any) -> Cost:
    """Blocks of W + G queries over twice as many keys, three times as many where both sides are seen.

    G is the number of global tokens. Exact up to that many tokens and at multiples of W + G.
    """
    assert mixer.window is not None
    more = mixer.global_tokens or 0
    if mixer.mask == "bidirectional":
        seen = minimum(T, 3 * (mixer.window + more))
        return Cost(params, 2 * weights * T + 4 * queries * T * seen)
    kept = mixer.window + more - 1
    held: Any = minimum(T, kept) if kept else 0
    return Cost(
        params=params,
        flops=2 * weights * T + 4 * queries * T * minimum(T, 2 * (mixer.window + more)),
        step=2 * weights + 4 * queries * (held + 1),
        state=2 * keys * held,
        state_int64=1,
    )


def saved(mixer: MultiHead) -> Saved | None:
    """What the backward pass finds where torch's attention does not do; None: what the operations inside say.

    A cap needs all scores, before and after it. A window copies keys and values, each for two windows of queries.
    """
    heads, kv_heads, dim = head_sizes(mixer)
    queries, keys = heads * dim, kv_heads * dim
    if mixer.memory_width is not None or mixer.borrows:
        return None
    if mixer.score_cap is not None:
        return Saved((2 * queries + 2 * keys) * T, 2 * heads * T * T)
    if mixer.window:
        return Saved((2 * queries + 4 * keys) * T)
    return None
