"""Tokenizers: bytes."""

from blocks import Register, hookimpl


@hookimpl
def register_tokenizers(register: Register) -> None:
    """From text to token ids and back."""
    register("byte", "blocks_tokenizers.specs:Byte", help="the 256 bytes of UTF-8")
