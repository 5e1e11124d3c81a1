"""Causality and sight: no output knows a later input, or one that it is not declared to see; it knows those that it is.

What is not seen is exact: a small leak is a leak.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from blocks_compiler.conformance.measure import TOLERANCE, Violation, require, require_close, require_equal
from blocks_compiler.conformance.subject import Subject

HUGE = 1e4


def places(tokens: int) -> list[int]:
    """The outputs that are looked at: the first, some inside, the last but one."""
    return sorted({0, 1, tokens // 3, tokens // 2, tokens - 2})


def gradients(subject: Subject) -> Iterator[tuple[int, Tensor]]:
    """Places of outputs, the last among them, and the greatest gradient [T] of each with respect to every token."""
    x = subject.inputs(2, subject.length).requires_grad_()
    y, _ = subject.module()(x)
    pull = subject.pull(2, subject.length)
    for t in (*places(subject.length), subject.length - 1):
        total = (y[:, t] * pull[:, t]).sum()
        (gradient,) = torch.autograd.grad(total, x, retain_graph=True, materialize_grads=True)
        yield t, gradient.abs().amax(dim=(0, 2))


def causal_gradient(subject: Subject) -> None:
    """The gradient of output t with respect to every input after t is exactly 0."""
    for t, gradient in gradients(subject):
        later = gradient[t + 1 :]
        for first in later.nonzero()[:1, 0].tolist():
            most = f"{later.max().item():.1e}"
            raise Violation(
                f"output {t} has gradient {most} of later inputs, the first of token {first + t + 1}"
            )


@torch.no_grad()
def causal_replacement(subject: Subject) -> None:
    """Replacing every input after t by 1e4 leaves the outputs up to t bit-equal."""
    for dtype in (torch.float64, torch.float32):
        module = subject.module(dtype)
        x = subject.inputs(2, subject.length, dtype)
        y, _ = module(x)
        for t in places(subject.length):
            future = x.clone()
            future[:, t + 1 :] = HUGE
            changed, _ = module(future)
            require_equal(changed[:, : t + 1], y[:, : t + 1], f"{dtype}: outputs up to {t} of another future")


@torch.no_grad()
def prefix(subject: Subject) -> None:
    """The first n tokens alone give the outputs that they give before others: err 1e-12 in fp64, 1e-5 in fp32.

    n is 1, 2, about half, and every bound less one, itself, and one more.
    """
    tokens = subject.length
    around = {bound + more for bound in subject.bounds for more in (-1, 0, 1)}
    for dtype, tolerance in TOLERANCE.items():
        module = subject.module(dtype)
        x = subject.inputs(2, tokens, dtype)
        y, _ = module(x)
        for n in sorted({1, 2, tokens // 2} | {n for n in around if 0 < n < tokens}):
            alone, _ = module(x[:, :n])
            require_close(alone, y[:, :n], tolerance, f"{dtype}, the first {n} of {tokens} tokens alone")


def sight(subject: Subject) -> None:
    """Each output has a gradient of every token that it is declared to see: the whole window, both ends included."""
    for t, gradient in gradients(subject):
        missing = [key for key in range(subject.length) if subject.bound.sees(t, key) and not gradient[key]]
        require(
            not missing,
            f"output {t} does not depend on token {missing[:1]} of {subject.length}, which it is declared to see "
            f"({len(missing)} tokens in all)",
        )
        require(bool(gradient.isfinite().all()), f"output {t} has a gradient that is not finite")


def blindness(subject: Subject) -> None:
    """The gradient of each output with respect to every token that it is not declared to see is exactly 0."""
    for t, gradient in gradients(subject):
        for key in range(subject.length):
            leaked = gradient[key].item()
            require(
                subject.bound.sees(t, key) or leaked == 0,
                f"output {t} has gradient {leaked:.1e} of token {key}, which it is declared not to see",
            )
