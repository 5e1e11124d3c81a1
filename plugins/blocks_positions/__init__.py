"""Positions: rotary, learned, sinusoidal."""

from blocks import Register, hookimpl


@hookimpl
def register_positions(register: Register) -> None:
    """How order enters the model."""
    register("rope", "blocks_positions.specs:RoPE", help="rotates queries and keys by their position")
    register("learned", "blocks_positions.specs:Learned", help="a learned vector a position")
    register("sinusoidal", "blocks_positions.specs:Sinusoidal", help="sines and cosines of the position")
