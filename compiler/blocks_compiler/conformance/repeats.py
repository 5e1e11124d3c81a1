"""Repeats: the same call gives the same bits, and a row the same values, whatever else is in the batch."""

from __future__ import annotations

import torch
from torch import Tensor

from blocks_compiler.conformance.measure import TOLERANCE, leaves, require_close, require_equal
from blocks_compiler.conformance.subject import Subject

RUNS = 5


def determinism(subject: Subject) -> None:
    """Five runs give the same bits: outputs, state and gradients, in training and in evaluation."""
    module = subject.fresh(torch.float32)
    first: dict[str, Tensor] = {}
    for run in range(RUNS):
        module.train(run != RUNS - 1)
        x = subject.inputs(2, subject.length, torch.float32).requires_grad_()
        y, state = module(x)
        parameters = dict(module.named_parameters())
        total = (y * subject.pull(2, subject.length, torch.float32)).sum()
        found = torch.autograd.grad(total, [x, *parameters.values()], allow_unused=True)
        got = {"the output": y.detach(), **dict(leaves(state))}
        names = ("the input", *parameters)
        got |= {f"the gradient of {n}": g for n, g in zip(names, found, strict=True) if g is not None}
        first = first or got
        what = "in evaluation" if run == RUNS - 1 else f"in run {run + 1}"
        for name, value in first.items():
            require_equal(got[name], value, f"{name} {what}")


@torch.no_grad()
def batch_slices(subject: Subject) -> None:
    """Rows alone, in another order, or in memory that is not contiguous, give what they give in the batch."""
    order = torch.tensor([3, 0, 4, 1, 2])
    for dtype, tolerance in TOLERANCE.items():
        module = subject.module(dtype)
        x = subject.inputs(5, subject.length, dtype)
        y, _ = module(x)
        for what, rows in (
            ("the first row", slice(0, 1)),
            ("rows 1 to 3", slice(1, 4)),
            ("every other", slice(0, 5, 2)),
        ):
            part, _ = module(x[rows])
            require_close(part, y[rows], tolerance, f"{dtype}, {what} alone")
        mixed, _ = module(x[order])
        require_close(mixed, y[order], tolerance, f"{dtype}, rows in another order")
        strided, _ = module(x.transpose(0, 1).contiguous().transpose(0, 1))
        require_close(strided, y, tolerance, f"{dtype}, tokens of all rows side by side in memory")
