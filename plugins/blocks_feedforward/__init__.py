"""Feed-forward blocks: plain and gated ones, mixtures of experts, linear and low-rank maps."""

from blocks import Register, hookimpl


@hookimpl
def register_mixers(register: Register) -> None:
    """Token-wise mixers."""
    register("mlp", "blocks_feedforward.specs:MLP", help="two linear maps with an activation between them")
    register("gated_mlp", "blocks_feedforward.specs:GatedMLP", help="SwiGLU, GEGLU, ReGLU")
    register(
        "moe", "blocks_feedforward.moe_specs:MoE", help="a mixture of experts, a few of them for each token"
    )
    register("linear", "blocks_feedforward.specs:Linear", help="one linear map, to another width where asked")
    register(
        "low_rank", "blocks_feedforward.specs:LowRank", help="a linear map of low rank that starts at zero"
    )


@hookimpl
def register_kernels(register: Register) -> None:
    """The reference in plain torch, and torch's own kernel."""
    register("grouped_linear/reference", "blocks_feedforward.moe_specs:GROUPED_LINEAR", help="plain torch")
    register(
        "grouped_linear/grouped_mm", "blocks_feedforward.moe_specs:GROUPED_MM", help="torch's grouped_mm"
    )


@hookimpl
def register_auxiliaries(register: Register) -> None:
    """What keeps experts busy alike."""
    register(
        "load_balance",
        "blocks_feedforward.balance_specs:LoadBalance",
        help="of a model's state: least where experts are used evenly",
    )
