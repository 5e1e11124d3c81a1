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


def exactly(subject: Subject, through: torch.dtype | None) -> Tensor:
    """The outputs in fp64 of weights and inputs as they are in the dtype `through`; None: as they were drawn."""
    other = Subject(subject.mixer, subject.d_model, subject.seed, through)
    y: Tensor = other.module(torch.float64)(other.inputs(2, max(LONG, other.length)))[0]
    return y


@torch.no_grad()
def single(subject: Subject) -> None:
    """fp32 is the result in fp64 of the same weights and inputs: err 1e-5."""
    y, _ = subject.module(torch.float32)(subject.inputs(2, max(LONG, subject.length), torch.float32))
    require_close(y, exactly(subject, torch.float32), TOLERANCE[torch.float32], "fp32 against fp64")


@torch.no_grad()
def half(subject: Subject) -> None:
    """bf16 too: err 1e-2, and at most twice the error of bf16 weights, inputs and outputs with fp64 between."""
    dtype = torch.bfloat16
    y, _ = subject.module(dtype)(subject.inputs(2, max(LONG, subject.length), dtype))
    reference = exactly(subject, dtype)
    require_close(y, reference, COARSE, "bf16 against fp64")
    naive = err(reference.to(dtype), exactly(subject, None))
    found = err(y, reference)
    require(
        found <= TIMES * naive,
        f"bf16 against fp64: err {found:.2e}, {found / max(naive, 1e-30):.1f} times that of rounding weights, inputs "
        f"and outputs alone ({naive:.2e}), more than {TIMES:.0f}",
    )
