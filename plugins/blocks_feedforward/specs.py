"""Declarations of the feed-forward blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field

from blocks import Call, Complaint, Cost, D, Inside, Op, Sizes, T, TokenWise


class MLP(TokenWise):
    """y = W2 f(W1 x) (Vaswani et al. 2017, arXiv:1706.03762, section 3.3)."""

    module = "blocks_feedforward.module:MLP"
    symbol = "-"
    phrases = ("FFN", "MLP", "feed-forward", "feedforward", "feed-forward network", "feed-forward layer")
    adjectives: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "squared ReLU": {"activation": "relu2"},
        "ReLU squared": {"activation": "relu2"},
        "tanh GELU": {"activation": "gelu_tanh"},
        "swish": {"activation": "silu"},
    }

    d_ff: int | None = Field(None, gt=0, description="channels inside; default: 4 d_model")
    activation: Literal["relu", "gelu", "gelu_tanh", "relu2", "silu"] = Field(
        "gelu", description="relu2 is the squared ReLU of So et al. 2021 (arXiv:2109.08668)"
    )
    bias: bool = Field(False, description="biases in both linear maps")

    def bind(self, sizes: Sizes) -> Self:
        return self.model_copy(update={"d_ff": self.d_ff or 4 * sizes.d_model})

    def parts(self) -> int:
        return self.d_ff or 1

    def cost(self) -> Cost:
        inner: Any = self.d_ff or 4 * D
        weights = 2 * D * inner
        return Cost(weights + self.bias * (inner + D), 2 * weights * T)

    def inside(self) -> Inside:
        inner: Any = self.d_ff or 4 * D
        return Inside(
            (
                Op("in_proj", "linear", ("x",), ("B", "T", inner), D * inner + self.bias * inner),
                Op("activation", "activation", ("in_proj",), ("B", "T", inner), label=self.activation),
                Op("out_proj", "linear", ("activation",), ("B", "T", D), inner * D + self.bias * D),
            )
        )


class GatedMLP(TokenWise):
    """y = W2 (f(W1 x) * V x), three matrices (Shazeer 2020, arXiv:2002.05202, equation 5)."""

    module = "blocks_feedforward.module:GatedMLP"
    symbol = "-"
    phrases = (
        "SwiGLU FFN", "SwiGLU", "gated FFN", "SwiGLU MLP", "gated MLP", "SwiGLU feed-forward", "gated feed-forward",
    )  # fmt: skip
    adjectives: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "gated GELU": {"activation": "geglu"},
        "gated SiLU": {"activation": "swiglu"},
        "gated ReLU": {"activation": "reglu"},
        "tanh GEGLU": {"activation": "geglu_tanh"},
    }
    functions: ClassVar[dict[str, str]] = {
        "swiglu": "silu", "geglu": "gelu", "geglu_tanh": "gelu_tanh", "reglu": "relu",
    }  # fmt: skip

    d_ff: int | None = Field(
        None, gt=0, description="channels inside; default: 8/3 d_model, rounded up to a multiple of 64"
    )
    activation: Literal["swiglu", "geglu", "geglu_tanh", "reglu"] = Field(
        "swiglu", description="the gate's function; geglu_tanh has GELU's tanh approximation (T5 1.1, Gemma)"
    )
    bias: bool = Field(False, description="biases in the linear maps")

    def bind(self, sizes: Sizes) -> Self:
        return self.model_copy(update={"d_ff": self.d_ff or -(-8 * sizes.d_model // 192) * 64})

    def call(self, width: int) -> Call:
        options = {"d_ff": self.d_ff, "activation": self.functions[self.activation], "bias": self.bias}
        return Call(self.module, (width,), options)

    def parts(self) -> int:
        return self.d_ff or 1

    def cost(self) -> Cost:
        inner: Any = self.d_ff or 8 * D / 3
        weights = 3 * D * inner
        return Cost(weights + self.bias * (2 * inner + D), 2 * weights * T)

    def inside(self) -> Inside:
        inner: Any = self.d_ff or 8 * D / 3
        wide = ("B", "T", inner)
        return Inside(
            (
                Op("gate_proj", "linear", ("x",), wide, D * inner + self.bias * inner, fuse="gate_up_proj"),
                Op("up_proj", "linear", ("x",), wide, D * inner + self.bias * inner, fuse="gate_up_proj"),
                Op("gate", "gate", ("gate_proj", "up_proj"), wide, label=self.activation),
                Op("out_proj", "linear", ("gate",), ("B", "T", D), inner * D + self.bias * D),
            )
        )


class Linear(TokenWise):
    """y = W x, to another width where `d_out` says so.

    It widens ALBERT's embeddings of 128 channels (Lan et al. 2020, arXiv:1909.11942, section 3.1).
    """

    module = "blocks_feedforward.module:Projection"
    symbol = "-"
    phrases = ("linear map", "linear projection")

    d_out: int | None = Field(
        None, gt=0, description="channels of the output; default: as many as of the input"
    )
    bias: bool = Field(False, description="a bias a channel")

    def bind(self, sizes: Sizes) -> Self:
        return self.model_copy(update={"d_out": self.d_out or sizes.d_model})

    def out_width(self, width: int) -> int:
        return self.d_out or width

    def cost(self) -> Cost:
        out: Any = self.d_out or D
        return Cost(D * out + self.bias * out, 2 * D * out * T)

    def inside(self) -> Inside:
        out: Any = self.d_out or D
        return Inside((Op("out_proj", "linear", ("x",), ("B", "T", out), D * out + self.bias * out),))


class LowRank(TokenWise):
    """y = B A x, a linear map of low rank that starts at zero (Hu et al. 2021, arXiv:2106.09685, section 4.1).

    The adapter that tells the uses of a shared block apart, as in Zamba2.
    """

    module = "blocks_feedforward.module:LowRank"
    symbol = "-"
    phrases = ("low-rank adapter", "LoRA", "low-rank map")

    rank: int = Field(8, gt=0, description="channels between the two matrices")

    def check(self, sizes: Sizes) -> Iterator[Complaint]:
        if self.rank >= sizes.d_model:
            yield Complaint(
                "rank",
                f"a rank of {self.rank} is not low for d_model = {sizes.d_model}: the two matrices hold more than one",
                help=f"a rank below {sizes.d_model}; up to {max(sizes.d_model // 2, 1)} saves parameters",
                code="B0341",
                related=("d_model",),
            )

    def cost(self) -> Cost:
        weights = 2 * self.rank * D
        return Cost(weights, 2 * weights * T)

    def waivers(self) -> Mapping[str, str]:
        return {
            "every_weight_learns": "B starts at zero, so A learns from the second step on (Hu et al. 2021)"
        }

    def inside(self) -> Inside:
        return Inside(
            (
                Op("down_proj", "linear", ("x",), ("B", "T", self.rank), self.rank * D),
                Op("up_proj", "linear", ("down_proj",), ("B", "T", D), self.rank * D),
            )
        )
