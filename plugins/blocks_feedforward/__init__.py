"""Feed-forward blocks: plain and gated ones, linear and low-rank maps."""

from blocks import Register, hookimpl


@hookimpl
def register_mixers(register: Register) -> None:
    """Token-wise mixers."""
    register("mlp", "blocks_feedforward.specs:MLP", help="two linear maps with an activation between them")
    register("gated_mlp", "blocks_feedforward.specs:GatedMLP", help="SwiGLU, GEGLU, ReGLU")
    register("linear", "blocks_feedforward.specs:Linear", help="one linear map, to another width where asked")
    register(
        "low_rank", "blocks_feedforward.specs:LowRank", help="a linear map of low rank that starts at zero"
    )
