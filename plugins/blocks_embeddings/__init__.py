"""Embeddings: token tables, patches of images."""

from blocks import Register, hookimpl


@hookimpl
def register_embeddings(register: Register) -> None:
    """From token ids, or pixels, to vectors."""
    register("tokens", "blocks_embeddings.specs:Tokens", help="a table with one row a token id")
    register(
        "patches",
        "blocks_embeddings.specs:Patches",
        help="patches of an image, each mapped to a vector (ViT)",
    )
