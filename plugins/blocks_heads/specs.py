"""Declarations of the heads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Self

from pydantic import Field

from blocks import Call, Complaint, Cost, D, Head, Sizes, T


class LM(Head):
    """Logits of the next token, from a linear map; tied: the embedding's own table (Press and Wolf 2017,
    arXiv:1608.05859)."""

    module = "blocks_heads.module:LMHead"
    requires = frozenset({"causal", "cached"})

    tied: bool = Field(False, description="use the embedding's table")
    bias: bool = Field(False, description="a bias a token id")
    vocab_size: int | None = Field(None, gt=0, description="number of token ids; default: the recipe's")

    def check(self, sizes: Sizes) -> Iterator[Complaint]:
        if self.vocab_size is None and sizes.vocab_size is None:
            yield Complaint(
                "vocab_size", "a language-model head needs vocab_size",
                help="add vocab_size: 32000, or a tokenizer", code="B0202",
            )  # fmt: skip

    def bind(self, sizes: Sizes) -> Self:
        return self.model_copy(update={"vocab_size": self.vocab_size or sizes.vocab_size})

    def call(self, width: int) -> Call:
        return Call(self.module, (width, self.vocab_size), {"bias": self.bias})

    def cost(self) -> Cost:
        vocabulary = self.vocab_size or 0
        table = 0 if self.tied else vocabulary * D
        return Cost(table + self.bias * vocabulary, 2 * vocabulary * D * T)

    def ties(self) -> Mapping[str, str]:
        return {"weight": "weight"} if self.tied else {}
