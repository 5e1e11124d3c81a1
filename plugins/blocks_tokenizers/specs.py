"""Declarations of the tokenizers."""

from __future__ import annotations

from pathlib import Path

from blocks import Coder, Tokenizer
from blocks_tokenizers.bytewise import Bytes


class Byte(Tokenizer):
    """Text as its UTF-8 bytes: 256 ids, no unknown token, nothing to train (Xue et al. 2021, arXiv:2105.13626).

    Byte 0, which no text has, ends texts and pads them.
    """

    needs_training = False
    has_files = False

    @property
    def vocab_size(self) -> int:
        return 256

    def open(self, folder: Path | None) -> Coder:
        return Bytes()
