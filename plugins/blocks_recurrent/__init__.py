"""Recurrence and the attention that grew out of it: RNN, LSTM, GRU, RNNsearch's decoder, maxout, scores."""

from blocks import Register, hookimpl


@hookimpl
def register_mixers(register: Register) -> None:
    """Recurrent mixers, and the maxout layer of their outputs."""
    register("rnn", "blocks_recurrent.unit_specs:RNN", help="Elman's network: forward, backward or both ways")
    register("lstm", "blocks_recurrent.unit_specs:LSTM", help="long short-term memory, projected where asked")
    register(
        "gru", "blocks_recurrent.unit_specs:GRU", help="gated recurrent unit: forward, backward or both ways"
    )
    register(
        "bahdanau",
        "blocks_recurrent.specs:Bahdanau",
        help="RNNsearch's decoder: a GRU whose previous state attends to a memory",
    )
    register("maxout", "blocks_recurrent.specs:Maxout", help="the greatest of several linear maps")


@hookimpl
def register_kernels(register: Register) -> None:
    """The references in plain torch, and torch's own: oneDNN's, cuDNN's, or a loop in C++."""
    register("rnn/reference", "blocks_recurrent.unit_specs:RNN_REFERENCE", help="plain torch")
    register("rnn/torch", "blocks_recurrent.unit_specs:RNN_TORCH", help="torch's own, as in torch.nn.RNN")
    register("lstm/reference", "blocks_recurrent.unit_specs:LSTM_REFERENCE", help="plain torch")
    register("lstm/torch", "blocks_recurrent.unit_specs:LSTM_TORCH", help="torch's own, as in torch.nn.LSTM")
    register("gru/reference", "blocks_recurrent.unit_specs:GRU_REFERENCE", help="plain torch")
    register("gru/torch", "blocks_recurrent.unit_specs:GRU_TORCH", help="torch's own, as in torch.nn.GRU")


@hookimpl
def register_scores(register: Register) -> None:
    """How well a query fits a key."""
    register("additive", "blocks_recurrent.score_specs:Additive", help="w·tanh(W s + U h), Bahdanau's")
    register("dot", "blocks_recurrent.score_specs:Dot", help="s·h, Luong's")
    register("general", "blocks_recurrent.score_specs:General", help="s·W h, Luong's")
    register("scaled_dot", "blocks_recurrent.score_specs:ScaledDot", help="s·h / sqrt(width), Vaswani's")
