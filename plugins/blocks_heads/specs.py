"""Declarations of the heads. V = vocab_size, E columns of the table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field

from blocks import Call, Complaint, Cost, D, Head, Sizes, T
from blocks.inside import Shape


class VocabularyHead(Head):
    """What heads over a vocabulary have in common: a table [V, E], which can be the embedding's own."""

    linear: ClassVar[bool] = True

    tied: bool = Field(False, description="use the embedding's table")
    bias: bool = Field(False, description="a bias a token id")
    vocab_size: int | None = Field(None, gt=0, description="number of token ids; default: the recipe's")
    dim: int | None = Field(
        None,
        gt=0,
        description="columns of the table, mapped from d_model before it; a factorised embedding's dim",
    )

    def check(self, sizes: Sizes) -> Iterator[Complaint]:
        if self.vocab_size is None and sizes.vocab_size is None:
            yield Complaint(
                "vocab_size", "a language-model head needs vocab_size",
                help="add vocab_size: 32000, or a tokenizer", code="B0202",
            )  # fmt: skip
        if self.dim is not None and self.dim >= sizes.d_model:
            yield Complaint(
                "dim",
                f"a map to {self.dim} columns does not narrow d_model = {sizes.d_model}",
                help=f"a dim below {sizes.d_model}, that of the embedding where the table is tied, or no dim",
                code="B0339",
                related=("d_model",),
            )

    def bind(self, sizes: Sizes) -> Self:
        return self.model_copy(update={"vocab_size": self.vocab_size or sizes.vocab_size})

    def table(self, width: int) -> tuple[int, int]:
        """Rows and columns of the parameter `weight`, for an input of `width` channels."""
        return self.vocab_size or 0, self.dim or width

    def shape(self) -> Shape:
        return ("B", "T", self.vocab_size or "vocab_size")

    def ties(self) -> Mapping[str, str]:
        return {"weight": "weight"} if self.tied else {}

    def table_cost(self, mapped: Any, biases: Any = 0) -> Cost:
        """The cost of the table behind linear maps of `mapped` weights and `biases` other parameters."""
        vocabulary, columns = self.vocab_size or 0, self.dim or D
        table = vocabulary * columns
        owned = 0 if self.tied else table
        return Cost(mapped + biases + owned + self.bias * vocabulary, 2 * (mapped + table) * T)


class LM(VocabularyHead):
    """Logits of the next token, from a linear map; tied: the embedding's own table (Press and Wolf 2017,
    arXiv:1608.05859)."""

    module = "blocks_heads.module:LMHead"
    phrases = ("language-model head", "LM head")
    requires = frozenset({"causal", "cached"})

    scale: float | None = Field(
        None, gt=0, description="multiplies what the table reads, such as 1 / sqrt(d_model) (T5, tied)"
    )
    logit_cap: float | None = Field(
        None, gt=0, description="logits are bounded to cap * tanh(logits / cap) (Gemma 2 has 30)"
    )

    def call(self, width: int) -> Call:
        options: dict[str, Any] = {"bias": self.bias}
        if self.dim is None and self.scale is None and self.logit_cap is None:
            return Call(self.module, (width, self.vocab_size), options)
        options |= {"dim": self.dim, "scale": self.scale, "logit_cap": self.logit_cap}
        return Call("blocks_heads.module:ShapedLMHead", (width, self.vocab_size), options)

    def cost(self) -> Cost:
        return self.table_cost(0 if self.dim is None else D * self.dim)


class MaskedLM(VocabularyHead):
    """Logits of every token, masked ones above all (Devlin et al. 2019, arXiv:1810.04805, section 3.1).

    A linear map, an activation and a layer norm stand before the table.
    """

    module = "blocks_heads.module:MaskedLMHead"
    phrases = ("masked language-model head", "masked LM head", "MLM head")
    requires = frozenset({"padded"})

    tied: bool = Field(True, description="use the embedding's table")
    bias: bool = Field(True, description="a bias a token id")
    activation: Literal["relu", "gelu", "gelu_tanh", "silu"] = Field(
        "gelu", description="between the linear map and the norm"
    )
    eps: float = Field(1e-12, gt=0, description="added to the variance in the layer norm")

    def needs_later(self) -> str:
        return "mask: bidirectional in the blocks, or head: lm"

    def call(self, width: int) -> Call:
        names = ("bias", "dim", "activation", "eps")
        return Call(self.module, (width, self.vocab_size), {name: getattr(self, name) for name in names})

    def cost(self) -> Cost:
        columns: Any = self.dim or D
        return self.table_cost(D * columns, 3 * columns)


class Classifier(Head):
    """Logits of classes, one vector a sequence (Devlin et al. 2019, arXiv:1810.04805, section 4.1).

    It reads one token, or the mean of all real ones, of a sequence that is given whole.
    """

    module = "blocks_heads.module:ClassifierHead"
    phrases = ("classification head", "classifier head", "classifier")
    requires = frozenset({"padded"})
    takes_mask: ClassVar[bool] = True

    n_classes: int = Field(2, gt=0, description="number of classes; 1: a regression")
    pool: Literal["first", "mean", "last"] = Field(
        "first", description="what is read: the first token (bidirectional), the last (causal), or all"
    )
    pooler: bool = Field(False, description="a linear map and tanh before the classes (BERT)")
    bias: bool = Field(True, description="a bias a class")

    def shape(self) -> Shape:
        return ("B", self.n_classes)

    def needs_later(self) -> str | None:
        return "pool: last, or mask: bidirectional in the blocks" if self.pool == "first" else None

    def cost(self) -> Cost:
        weights = D * self.n_classes + self.pooler * D * D
        once = 2 * weights  # whatever the length
        return Cost(weights + self.bias * self.n_classes + self.pooler * D, flops=once, step=once)


class Hidden(Head):
    """The hidden states as they are, beside other heads (BERT's last_hidden_state)."""

    module = "torch.nn:Identity"
    gives: ClassVar[str] = "hidden states"

    def call(self, width: int) -> Call:
        return Call(self.module)


class Pooler(Head):
    """One vector a sequence: a linear map and tanh of one token (Devlin et al. 2019, arXiv:1810.04805, and their code).

    What BERT hands on to tasks about whole sentences. A sequence is given whole.
    """

    module = "blocks_heads.module:PoolerHead"
    requires = frozenset({"padded"})
    takes_mask: ClassVar[bool] = True
    gives: ClassVar[str] = "pooled vectors"

    pool: Literal["first", "mean", "last"] = Field(
        "first", description="what is read: the first token (bidirectional), the last (causal), or all"
    )

    def shape(self) -> Shape:
        return ("B", "d_model")

    def needs_later(self) -> str | None:
        return "pool: last, or mask: bidirectional in the blocks" if self.pool == "first" else None

    def cost(self) -> Cost:
        once = 2 * D * D  # whatever the length
        return Cost(D * D + D, flops=once, step=once)
