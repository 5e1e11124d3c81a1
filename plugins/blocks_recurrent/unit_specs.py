"""Declarations of the recurrent layers. H hidden units, P channels of the output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal, Self

from pydantic import Field

from blocks import Call, Component, Cost, D, Inside, Kernel, Mixer, Op, Saved, Sizes, T, Target

BOTH_WAYS = "blocks_recurrent.module:BothWays"
FUSED_DTYPES = {"cpu": ("float32", "float64"), "cuda": ("float32", "float64", "float16", "bfloat16")}


def _fused(target: Target, component: Component) -> bool:
    """Whether torch has it: what cuDNN knows, in a dtype in which the cell is not rounded at every step on a CPU."""
    known = not getattr(component, "peepholes", False) and getattr(component, "reset", "after") == "after"
    return known and target.dtype in FUSED_DTYPES.get(target.device, ())


RNN_REFERENCE = Kernel("blocks_recurrent.kernels:rnn")
RNN_TORCH = Kernel("blocks_recurrent.fused:rnn", _fused)
LSTM_REFERENCE = Kernel("blocks_recurrent.kernels:lstm")
LSTM_TORCH = Kernel("blocks_recurrent.fused:lstm", _fused)
GRU_REFERENCE = Kernel("blocks_recurrent.kernels:gru")
GRU_TORCH = Kernel("blocks_recurrent.fused:gru", _fused)


class Unit(Mixer):
    """What recurrent layers have in common: units, a direction, `gates` linear maps of the input and of the state."""

    gates: ClassVar[int] = 1

    hidden: int | None = Field(
        None, gt=0, description="hidden units of one direction; default: the width of the input"
    )
    direction: Literal["forward", "backward", "bidirectional"] = Field(
        "forward", description="order of reading; bidirectional puts both side by side"
    )

    def bind(self, sizes: Sizes) -> Self:
        return self.model_copy(update={"hidden": self.hidden or sizes.d_model})

    def capabilities(self) -> frozenset[str]:
        whole = frozenset({"padded", "packed"})
        return whole | {"causal", "cached"} if self.direction == "forward" else whole

    def sees(self, query: int, key: int) -> bool:
        ahead, back = self.direction != "backward", self.direction != "forward"
        return (ahead and key <= query) or (back and key >= query)

    def channels(self) -> int | None:
        """Channels that one direction puts out; None: as many as its input has."""
        return self.hidden

    def out_width(self, width: int) -> int:
        return (self.channels() or width) * self._ways()

    def _ways(self) -> int:
        return 2 if self.direction == "bidirectional" else 1

    def options(self) -> dict[str, Any]:
        """The keywords of the module, the order of reading aside."""
        return {"hidden": self.hidden}

    def call(self, width: int) -> Call:
        ahead = Call(self.module, (width,), self.options())
        back = replace(ahead, kwargs={**ahead.kwargs, "reverse": True})
        if self.direction == "bidirectional":
            return Call(BOTH_WAYS, (ahead, back))
        return back if self.direction == "backward" else ahead

    def weights(self) -> tuple[Any, Any, Any, Any]:
        """Of one direction: elements of the matrices of the inputs and of the recurrence, of biases and the like."""
        raise NotImplementedError

    def held(self) -> Cost:
        """What the state holds, as a cost."""
        return Cost(state=self.hidden or D)

    def cost(self) -> Cost:
        read, recurrent, read_bias, small = self.weights()
        directions = self._ways()
        params = directions * (read + recurrent + read_bias + small)
        flops = directions * 2 * (read + recurrent) * T
        if self.direction != "forward":
            return Cost(params, flops)
        return replace(self.held(), params=params, flops=flops, step=2 * (read + recurrent))

    def _ops(self, path: str) -> tuple[Op, Op]:
        """The two operations of one direction."""
        read, recurrent, read_bias, small = self.weights()
        fed: Any = self.gates * (self.hidden or D)
        out: Any = self.channels() or D
        return (
            Op(f"{path}in_proj", "linear", ("x",), ("B", "T", fed), read + read_bias),
            Op(
                f"{path}recurrence", "scan", (f"{path}in_proj",), ("B", "T", out), recurrent + small,
                label=self.said(),
            ),
        )  # fmt: skip

    def said(self) -> str:
        """What a picture says of the recurrence."""
        raise NotImplementedError

    def inside(self) -> Inside:
        if self.direction == "forward":
            return Inside(self._ops(""))
        if self.direction == "backward":
            project, scan = self._ops("")
            return Inside((project, replace(scan, label=f"{scan.label}, backward")))
        out: Any = self.channels() or D
        ahead, back = self._ops("ahead."), self._ops("back.")
        sides = (ahead[1].name, back[1].name)
        return Inside((*ahead, *back, Op("concat", "gate", sides, ("B", "T", 2 * out), label="ahead; back")))


class RNN(Unit):
    """A simple recurrent network (Elman 1990, Cognitive Science 14:179-211)."""

    module = "blocks_recurrent.module:RNN"
    symbol = "R"
    phrases = ("RNN", "Elman network", "simple recurrent network")
    ops = ("rnn",)

    activation: Literal["tanh", "relu"] = Field("tanh", description="what the new state goes through")
    bias: bool = Field(True, description="a bias in the new state")

    def options(self) -> dict[str, Any]:
        return {"hidden": self.hidden, "activation": self.activation, "bias": self.bias}

    def waivers(self) -> Mapping[str, str]:
        if self.activation == "tanh":
            return {}
        reason = "relu has no bound: with weights of a norm above 1 the state and its rounding grow from token to token"
        return dict.fromkeys(("many_tokens", "precision_fp32", "precision_bf16", "decoding"), reason)

    def weights(self) -> tuple[Any, Any, Any, Any]:
        hidden: Any = self.hidden or D
        return hidden * D, hidden * hidden, 0, self.bias * hidden

    def saved(self) -> Saved:
        return Saved(self._ways() * (self.hidden or D) * T)

    def said(self) -> str:
        return f"recurrence, {self.activation}"


class LSTM(Unit):
    """Long short-term memory with forget gates (Hochreiter and Schmidhuber 1997; Gers et al. 2000)."""

    module = "blocks_recurrent.module:LSTM"
    symbol = "L"
    phrases = ("LSTM", "long short-term memory")
    ops = ("lstm",)
    gates = 4

    d_proj: int | None = Field(
        None, gt=0,
        description="channels that the output is projected to before it returns (Sak et al. 2014); default: none",
    )  # fmt: skip
    forget_bias: float = Field(1.0, description="where the bias of the forget gate starts")
    peepholes: bool = Field(
        False, description="the gates see the cell, each unit its own (Gers and Schmidhuber 2000)"
    )
    bias: bool = Field(True, description="a bias in the gates and the new content")

    def channels(self) -> int | None:
        return self.d_proj or self.hidden

    def options(self) -> dict[str, Any]:
        names = ("hidden", "d_proj", "forget_bias", "peepholes", "bias")
        return {name: getattr(self, name) for name in names}

    def weights(self) -> tuple[Any, Any, Any, Any]:
        hidden: Any = self.hidden or D
        out: Any = self.channels() or D
        projection = self.d_proj * hidden if self.d_proj else 0
        small = 4 * self.bias * hidden + 3 * self.peepholes * hidden
        return 4 * hidden * D, 4 * hidden * out + projection, 0, small

    def saved(self) -> Saved:
        hidden: Any = self.hidden or D
        out: Any = self.channels() or D
        gates = 6 * hidden  # four gates, the cell before and the tanh of the cell after
        return Saved(self._ways() * (out + bool(self.d_proj) * hidden) * T, self._ways() * gates * T)

    def held(self) -> Cost:
        return Cost(state=self.channels() or D, state_fp32=self.hidden or D)

    def said(self) -> str:
        words = ["LSTM", *(["peepholes"] if self.peepholes else []), *(["projected"] if self.d_proj else [])]
        return ", ".join(words)


class GRU(Unit):
    """Gated recurrent unit (Cho et al. 2014, arXiv:1406.1078, section 2.3; Bahdanau et al. 2014, A.1.1)."""

    module = "blocks_recurrent.module:GRU"
    symbol = "G"
    phrases = ("GRU", "gated recurrent unit")
    ops = ("gru",)
    gates = 3

    reset: Literal["before", "after"] = Field(
        "before",
        description="the reset gate multiplies the state before the recurrent product, or the product after it (cuDNN)",
    )
    bias: bool = Field(
        True, description="a bias in the gates and the new state; with reset after one in the product"
    )

    def options(self) -> dict[str, Any]:
        return {"hidden": self.hidden, "reset_after": self.reset == "after", "bias": self.bias}

    def weights(self) -> tuple[Any, Any, Any, Any]:
        hidden: Any = self.hidden or D
        after = self.bias and self.reset == "after"
        return 3 * hidden * D, 3 * hidden * hidden, 3 * self.bias * hidden, after * hidden

    def saved(self) -> Saved:
        hidden: Any = self.hidden or D
        return Saved(self._ways() * 2 * hidden * T, self._ways() * 3 * hidden * T)

    def said(self) -> str:
        return f"gated recurrence, reset {self.reset}"
