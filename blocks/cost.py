"""What a component costs: parameters, FLOPs, state, as exact polynomials in T and D."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias, Union

from blocks.polynomial import Number, Polynomial

Size: TypeAlias = Union[Polynomial, Number]  # noqa: UP007 - a runtime alias


@dataclass(frozen=True, slots=True)
class Saved:
    """What a component keeps of one sequence for the backward pass, its input aside.

    elements  in the model's dtype
    fp32      elements in float32 whatever the model's dtype
    """

    elements: Size = 0
    fp32: Size = 0


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one component for one sequence.

    Convention: one multiply-add is 2 FLOPs; matrix products, convolutions and attention scores are counted,
    elementwise work is not. This is what `torch.utils.flop_counter` counts, and what Kaplan et al. 2020
    (arXiv:2001.08361, section 2.1) and Chowdhery et al. 2022 (arXiv:2204.02311, appendix B) quote. Masked
    scores are counted when the reference computes them.

    T is the number of tokens, D the width of the input, S the number of tokens of the memory that a block reads;
    where a method is given no `memory`, it is as long as the sequence itself.

    params      parameters, in elements
    flops       FLOPs of a forward pass over T tokens
    step        FLOPs of one token decoded with T tokens of context; default: flops / T
    state       elements held after T tokens, in the model's dtype
    state_fp32  elements held after T tokens that stay in float32 whatever the model's dtype
    state_int64 counters held after T tokens
    """

    params: Size = 0
    flops: Size = 0
    step: Size | None = None
    state: Size = 0
    state_fp32: Size = 0
    state_int64: Size = 0

    def decode(self, context: int, d_model: int, memory: int | None = None) -> Number:
        """FLOPs of one decoded token with `context` tokens in the state."""
        sizes = {"T": context, "D": d_model, "S": context if memory is None else memory}
        if self.step is not None:
            return Polynomial.of(self.step).number(**sizes)
        return Polynomial.of(self.flops).number(**sizes) * Fraction(1, context)

    def forward(self, tokens: int, d_model: int, memory: int | None = None) -> Number:
        """FLOPs of one forward pass over `tokens` tokens."""
        sizes = {"T": tokens, "D": d_model, "S": tokens if memory is None else memory}
        return Polynomial.of(self.flops).number(**sizes)

    def parameters(self, d_model: int) -> int:
        """Number of parameters."""
        return int(Polynomial.of(self.params).number(D=d_model, T=0, S=0))

    def state_bytes(self, context: int, d_model: int, itemsize: int, memory: int | None = None) -> int:
        """Bytes of state of one sequence after `context` tokens; `itemsize` is the model's bytes an element."""
        sizes = {"T": context, "D": d_model, "S": context if memory is None else memory}
        held = ((self.state, itemsize), (self.state_fp32, 4), (self.state_int64, 8))
        return sum(int(Polynomial.of(count).number(**sizes)) * each for count, each in held)
