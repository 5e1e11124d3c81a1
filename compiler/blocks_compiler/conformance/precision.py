"""Precision: what computing in fp32 and in bf16 adds to the result in fp64.

The reference has the same weights and inputs, rounded to the dtype that is tried, and computes in fp64. So an error
here is the arithmetic's alone.

Naive is the error that there is before anything is computed: that of rounding weights, inputs and the output to
bf16, while all between is fp64. It is how well conditioned the mixer is, in units of what bf16 can hold, and no part
of the module's own arithmetic enters it, so that it cannot grow with the mistakes that it is held against. A result
whose arithmetic adds no more than a small multiple of it is as good as its dtype allows: it is the exact result of
data that differ by a few roundings (Higham 2002, Accuracy and Stability of Numerical Algorithms, section 1.5). Sums,
decays and scores that are kept in bf16 over many tokens add more.
"""

from __future__ import annotations

import torch
from torch import Tensor

from blocks_compiler.conformance.measure import TOLERANCE, err, require, require_close
from blocks_compiler.conformance.subject import Subject

LONG = 521
"""Tokens that sums run over, at least; bf16 counts positions up to 256."""
COARSE = 1e-2
TIMES = 2.0
DRAWS = 3


def exactly(subject: Subject, through: torch.dtype | None) -> Tensor:
    """The outputs in fp64 of weights and inputs as they are in the dtype `through`; None: as they were drawn."""
    if through is not None:
        subject = Subject(subject.mixer, subject.d_model, subject.seed, through)
    return outputs(subject, torch.float64)


@torch.no_grad()
def outputs(subject: Subject, dtype: torch.dtype) -> Tensor:
    """What the module gives in a dtype."""
    y: Tensor = subject.module(dtype)(subject.inputs(2, max(LONG, subject.length), dtype))[0]
    return y


def naive(subject: Subject) -> float:
    """The naive bf16 error."""
    return err(exactly(subject, torch.bfloat16).to(torch.bfloat16), exactly(subject, None))


def draws(subject: Subject) -> list[Subject]:
    """The mixer with weights and inputs of several seeds, its own first."""
    seeds = [subject.seed + 1000 * more for more in range(1, DRAWS)]
    return [subject, *(Subject(subject.mixer, subject.d_model, seed) for seed in seeds)]


def steady(subject: Subject) -> Subject:
    """Of several draws the one that is best conditioned, the naive bf16 error being least.

    There are weights at which the data alone, once they are bf16, are further off than any result may be.
    """
    return min(draws(subject), key=naive)


def single(subject: Subject) -> None:
    """fp32 is the result in fp64 of the same weights and inputs: err 1e-5.

    Where it is not, it has to be for other draws: of a thousand tokens one may stand where a choice, such as a
    router's, is a tie but for rounding.
    """
    dtype = torch.float32
    first, *others = draws(subject)
    found = err(outputs(first, dtype), exactly(first, dtype))
    if found > TOLERANCE[dtype]:
        found = max(err(outputs(each, dtype), exactly(each, dtype)) for each in others)
    require(found <= TOLERANCE[dtype], f"fp32 is not fp64: err {found:.2e}, more than {TOLERANCE[dtype]:.0e}")


def half(subject: Subject) -> None:
    """bf16 too: err 1e-2, and at most twice the error of bf16 weights, inputs and outputs with fp64 between."""
    dtype, subject = torch.bfloat16, steady(subject)
    y, reference, least = outputs(subject, dtype), exactly(subject, dtype), naive(subject)
    require_close(y, reference, COARSE, "bf16 against fp64")
    found = err(y, reference)
    require(
        found <= TIMES * least,
        f"bf16 against fp64: err {found:.2e}, {found / max(least, 1e-30):.1f} times that of rounding weights, inputs "
        f"and outputs alone ({least:.2e}), more than {TIMES:.0f}",
    )
