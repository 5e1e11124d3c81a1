"""Declarations of RNNsearch's decoder and of maxout. H hidden units, M width of the memory, S its tokens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal, Self

from pydantic import Field

from blocks import Call, Complaint, Cost, D, Inside, Mixer, Op, Polynomial, S, Score, Sizes, T, TokenWise
from blocks_recurrent.score_specs import Additive


class Bahdanau(Mixer):
    """RNNsearch's decoder: a GRU that looks through a memory (Bahdanau et al. 2014, arXiv:1409.0473, A.2.2)."""

    module = "blocks_recurrent.bahdanau:Bahdanau"
    symbol = "B"
    phrases = ("Bahdanau attention", "additive attention", "RNNsearch decoder")

    hidden: int | None = Field(None, gt=0, description="hidden units; default: half the width of the memory")
    score: Score = Field(Additive(), description="how well the hidden state fits an annotation")
    readout: Literal["previous", "current", "groundhog"] = Field(
        "previous",
        description="state in the output: s_{i-1} (appendix A.2.2), s_i (equation 4), or as in the authors' code",
    )
    bias: bool = Field(True, description="biases in the gates, the new state and the first state")

    def check(self, sizes: Sizes) -> Iterator[Complaint]:
        if self.memory_width is None:
            yield Complaint(
                "memory",
                f"{self.name} reads the annotations of another stream, and none is named",
                help="memory: encoder",
                code="B0350",
            )
        elif self.memory_width % 2:
            yield Complaint(
                "memory",
                f"the memory is {self.memory_width} channels wide, and an annotation has two equal halves",
                label=f"{self.memory_width} is odd",
                help="end the memory's stream with a bidirectional gru",
                code="B0351",
            )
        else:
            bound = self.bind(sizes)
            assert bound.hidden is not None
            for complaint in bound.score.check(Sizes(bound.hidden)):
                yield replace(complaint, field=f"score.{complaint.field}".rstrip("."))

    def bind(self, sizes: Sizes) -> Self:
        memory = self.memory_width or sizes.d_model
        hidden = self.hidden or max(1, memory // 2)
        score = self.score.against(memory).bind(Sizes(hidden))
        return self.model_copy(update={"hidden": hidden, "score": score})

    def capabilities(self) -> frozenset[str]:
        return frozenset({"causal", "cached", "padded", "cross"})

    def sees(self, query: int, key: int) -> bool:
        return key <= query and (self.readout != "groundhog" or key > 0)  # there the first token reads 0

    def _sizes(self) -> tuple[Any, Any]:
        """Hidden units and the width of the memory: numbers once bound."""
        memory: Any = self.memory_width or D
        return self.hidden or memory / 2, memory

    def out_width(self, width: int) -> int:
        memory = self.memory_width or width
        return (self.hidden or memory // 2) + width + memory

    def call(self, width: int) -> Call:
        assert self.hidden is not None
        options = {
            "hidden": self.hidden,
            "d_memory": self.memory_width or width,
            "score": self.score.call(self.hidden),
            "readout": self.readout,
            "bias": self.bias,
        }
        return Call(self.module, (width,), options)

    def _score(self) -> Cost:
        """The cost of the score, whose D is the number of hidden units."""
        hidden, _ = self._sizes()
        cost = self.score.cost()
        if not isinstance(hidden, int):
            return cost
        names = ("params", "flops", "state")
        return Cost(**{name: Polynomial.of(getattr(cost, name)).evaluate({"D": hidden}) for name in names},
                    step=Polynomial.of(cost.step or 0).evaluate({"D": hidden}))  # fmt: skip

    def cost(self) -> Cost:
        hidden, memory = self._sizes()
        score = self._score()
        weights = 3 * hidden * (D + hidden + memory)
        start = memory / 2 * hidden
        each = 2 * weights + 2 * memory * S
        late = (self.readout == "groundhog") * memory
        return Cost(
            params=weights + start + 4 * self.bias * hidden + score.params,
            flops=2 * start + score.flops + each * T,
            step=each + (score.step or 0),
            state=hidden + late + memory * S + score.state,
        )

    def inside(self) -> Inside:
        hidden, memory = self._sizes()
        read = "state before" if self.readout == "previous" else "state"
        return Inside(
            (
                Op("in_proj", "linear", ("x",), ("B", "T", 3 * hidden), 3 * hidden * (D + self.bias)),
                Op(
                    "start_proj", "linear", ("memory",), ("B", hidden),
                    (memory / 2 + self.bias) * hidden, label="first state, tanh",
                ),
                Op(
                    "score", "scores", ("memory", "start_proj"), ("B", "T", memory), self._score().params,
                    label=f"{self.score.name} score of the state before, softmax",
                ),
                Op("context_proj", "linear", ("score",), ("B", "T", 3 * hidden), 3 * memory * hidden),
                Op(
                    "recurrence", "scan", ("in_proj", "context_proj", "start_proj"), ("B", "T", hidden),
                    3 * hidden * hidden, label="gated recurrence",
                ),
                Op(
                    "concat", "gate", ("recurrence", "x", "score"), ("B", "T", hidden + D + memory),
                    label=f"{read}; token; context",
                ),
            )
        )  # fmt: skip


class Maxout(TokenWise):
    """The greatest of several linear maps (Goodfellow et al. 2013, arXiv:1302.4389, section 3)."""

    module = "blocks_recurrent.module:Maxout"
    symbol = "X"
    phrases = ("maxout", "maxout layer")

    d_out: int | None = Field(
        None, gt=0, description="channels of the output; default: the width of the input"
    )
    pieces: int = Field(2, gt=1, description="linear maps that each channel is the greatest of")
    bias: bool = Field(True, description="a bias in the linear maps")

    def bind(self, sizes: Sizes) -> Self:
        return self.model_copy(update={"d_out": self.d_out or sizes.d_model})

    def out_width(self, width: int) -> int:
        return self.d_out or width

    def cost(self) -> Cost:
        rows: Any = self.pieces * (self.d_out or D)
        return Cost(rows * (D + self.bias), 2 * rows * D * T)

    def inside(self) -> Inside:
        out: Any = self.d_out or D
        rows = self.pieces * out
        return Inside(
            (
                Op("in_proj", "linear", ("x",), ("B", "T", rows), rows * (D + self.bias)),
                Op("max", "activation", ("in_proj",), ("B", "T", out), label=f"max of {self.pieces}"),
            )
        )
