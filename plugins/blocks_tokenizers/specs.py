"""Declarations of the tokenizers."""

from __future__ import annotations

from blocks import Tokenizer


class Byte(Tokenizer):
    """Text as its UTF-8 bytes: 256 ids, no unknown token, nothing to train (Xue et al. 2021, arXiv:2105.13626)."""

    vocab_size = 256

    def encode(self, text: str) -> list[int]:
        return list(text.encode("utf-8"))

    def decode(self, ids: list[int]) -> str:
        return bytes(ids).decode("utf-8", errors="replace")
