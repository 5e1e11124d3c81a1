"""Gated recurrence and the attention that grew out of it: GRU, RNNsearch's decoder, maxout, scores."""

from blocks import Register, hookimpl


@hookimpl
def register_mixers(register: Register) -> None:
    """Recurrent mixers, and the maxout layer of their outputs."""
    register("gru", "blocks_recurrent.specs:GRU", help="gated recurrent unit: forward, backward or both ways")
    register(
        "bahdanau",
        "blocks_recurrent.specs:Bahdanau",
        help="RNNsearch's decoder: a GRU whose previous state attends to a memory",
    )
    register("maxout", "blocks_recurrent.specs:Maxout", help="the greatest of several linear maps")


@hookimpl
def register_scores(register: Register) -> None:
    """How well a query fits a key."""
    register("additive", "blocks_recurrent.score_specs:Additive", help="w·tanh(W s + U h), Bahdanau's")
    register("dot", "blocks_recurrent.score_specs:Dot", help="s·h, Luong's")
    register("general", "blocks_recurrent.score_specs:General", help="s·W h, Luong's")
    register("scaled_dot", "blocks_recurrent.score_specs:ScaledDot", help="s·h / sqrt(width), Vaswani's")
