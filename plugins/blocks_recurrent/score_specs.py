"""Declarations of scores. D is the width of the queries, T their number, S that of the keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

from pydantic import Field

from blocks import Call, Complaint, Cost, D, S, Score, Sizes, T


class Additive(Score):
    """v·tanh(W s + U h) (Bahdanau et al. 2014, arXiv:1409.0473, appendix A.1.2)."""

    module = "blocks_recurrent.scores:AdditiveScore"
    phrases = ("additive score", "Bahdanau score", "concat score")

    hidden: int | None = Field(None, gt=0, description="hidden units; default: the width of the query")

    def bind(self, sizes: Sizes) -> Self:
        return self.model_copy(update={"hidden": self.hidden or sizes.d_model})

    def cost(self) -> Cost:
        hidden: Any = self.hidden or D
        query, keys = D * hidden, (self.key_width or D) * hidden
        each = 2 * query + 2 * hidden * S
        return Cost(query + keys + hidden, 2 * keys * S + each * T, step=each, state=hidden * S)


class Dot(Score):
    """s·h (Luong et al. 2015, arXiv:1508.04025, section 3.1)."""

    module = "blocks_recurrent.scores:DotScore"
    phrases = ("dot-product score", "dot score")

    def check(self, sizes: Sizes) -> Iterator[Complaint]:
        if self.key_width not in (None, sizes.d_model):
            yield Complaint(
                "",
                f"queries of {sizes.d_model} channels have no {self.name} product with keys of {self.key_width}",
                help=f"use the score general or additive, or a memory of {sizes.d_model} channels",
                code="B0352",
            )

    def cost(self) -> Cost:
        return Cost(flops=2 * D * S * T, step=2 * D * S)


class ScaledDot(Dot):
    """s·h / sqrt(width) (Vaswani et al. 2017, arXiv:1706.03762, equation 1)."""

    phrases = ("scaled dot-product score", "scaled dot score")

    def call(self, width: int) -> Call:
        return Call(self.module, (width, self.key_width or width), {"scaled": True})


class General(Score):
    """s·W h (Luong et al. 2015, arXiv:1508.04025, section 3.1)."""

    module = "blocks_recurrent.scores:GeneralScore"
    phrases = ("general score", "bilinear score")

    def cost(self) -> Cost:
        weights = (self.key_width or D) * D
        return Cost(weights, 2 * weights * S + 2 * D * S * T, step=2 * D * S, state=D * S)
