"""Declarations of the embeddings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from pydantic import Field

from blocks import Call, Complaint, Cost, D, Embedding, Sizes


class Tokens(Embedding):
    """A learned row for each token id (Bengio et al. 2003, JMLR 3:1137-1155)."""

    module = "torch.nn:Embedding"

    vocab_size: int | None = Field(None, gt=0, description="number of token ids; default: the recipe's")

    def check(self, sizes: Sizes) -> Iterator[Complaint]:
        if self.vocab_size is None and sizes.vocab_size is None:
            yield Complaint(
                "vocab_size", "a token embedding needs vocab_size",
                help="add vocab_size: 32000, or a tokenizer", code="B0202",
            )  # fmt: skip

    def bind(self, sizes: Sizes) -> Self:
        return self.model_copy(update={"vocab_size": self.vocab_size or sizes.vocab_size})

    def call(self, width: int) -> Call:
        return Call(self.module, (self.vocab_size, width))

    def cost(self) -> Cost:
        return Cost(params=(self.vocab_size or 0) * D)
