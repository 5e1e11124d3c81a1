"""Feed-forward blocks: plain and gated."""

from blocks import Register, hookimpl


@hookimpl
def register_mixers(register: Register) -> None:
    """Token-wise mixers."""
    register("mlp", "blocks_feedforward.specs:MLP", help="two linear maps with an activation between them")
    register("gated_mlp", "blocks_feedforward.specs:GatedMLP", help="SwiGLU, GEGLU, ReGLU")
