"""Positions: rotary, learned, sinusoidal, ALiBi, relative."""

from blocks import Register, hookimpl


@hookimpl
def register_positions(register: Register) -> None:
    """How order enters the model."""
    register("rope", "blocks_positions.specs:RoPE", help="rotates queries and keys by their position")
    register("learned", "blocks_positions.specs:Learned", help="a learned vector a position")
    register("sinusoidal", "blocks_positions.specs:Sinusoidal", help="sines and cosines of the position")
    register("alibi", "blocks_positions.specs:ALiBi", help="lowers scores by the distance, a slope a head")
    register("relative", "blocks_positions.specs:Relative", help="a learned bias a bucket of distances (T5)")
