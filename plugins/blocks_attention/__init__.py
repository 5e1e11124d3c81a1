"""Softmax attention: multi-head, grouped-query, multi-query, sliding-window."""

from blocks import Register, hookimpl


@hookimpl
def register_mixers(register: Register) -> None:
    """Attention in its usual forms; they differ in their defaults."""
    register(
        "multi_head",
        "blocks_attention.specs:MultiHead",
        help="softmax attention, one key/value head a query head",
    )
    register(
        "grouped_query",
        "blocks_attention.specs:GroupedQuery",
        help="query heads share key/value heads in groups",
    )
    register(
        "multi_query", "blocks_attention.specs:MultiQuery", help="all query heads share one key/value head"
    )
    register(
        "sliding_window",
        "blocks_attention.specs:SlidingWindow",
        help="each token sees the last `window` tokens",
    )
