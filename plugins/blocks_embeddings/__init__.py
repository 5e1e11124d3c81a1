"""Embeddings: token tables."""

from blocks import Register, hookimpl


@hookimpl
def register_embeddings(register: Register) -> None:
    """From token ids to vectors."""
    register("tokens", "blocks_embeddings.specs:Tokens", help="a table with one row a token id")
