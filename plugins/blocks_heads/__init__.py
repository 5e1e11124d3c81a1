"""Heads: language model."""

from blocks import Register, hookimpl


@hookimpl
def register_heads(register: Register) -> None:
    """From vectors to the output."""
    register("lm", "blocks_heads.specs:LM", help="logits of the next token")
