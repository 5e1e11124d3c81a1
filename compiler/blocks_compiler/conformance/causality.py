"""Causality: no output knows a later input. Exact, in fp64 and fp32: a small leak is a leak."""

from __future__ import annotations

import torch

from blocks_compiler.conformance.measure import require, require_equal
from blocks_compiler.conformance.subject import Subject

HUGE = 1e4


def places(tokens: int) -> list[int]:
    """The outputs that are looked at: the first, some inside, the last but one."""
    return sorted({0, 1, tokens // 3, tokens // 2, tokens - 2})


def causal_gradient(subject: Subject) -> None:
    """The gradient of output t with respect to every input after t is exactly 0."""
    x = subject.inputs(2, subject.length).requires_grad_()
    y, _ = subject.module()(x)
    pull = subject.pull(2, subject.length)
    for t in places(subject.length):
        (gradient,) = torch.autograd.grad((y[:, t] * pull[:, t]).sum(), x, retain_graph=True)
        leaked = gradient[:, t + 1 :].abs().amax(dim=(0, 2))
        first = int(leaked.nonzero()[0]) + t + 1 if leaked.any() else 0
        require(
            not leaked.any(),
            f"output {t} has gradient {leaked.max().item():.1e} of later inputs, the first of token {first}",
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
