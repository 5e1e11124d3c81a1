"""Weights: each one is used, and each one starts from the seed alone."""

from __future__ import annotations

import torch

from blocks_compiler.backends.module import allocate
from blocks_compiler.conformance.measure import Violation, require, require_equal
from blocks_compiler.conformance.subject import Subject


def every_weight_learns(subject: Subject) -> None:
    """Every parameter gets a gradient that is finite and not 0."""
    module = subject.fresh(torch.float64)
    x = subject.inputs(2, subject.length)
    y, _ = module(x)
    parameters = dict(module.named_parameters())
    for name, parameter in parameters.items():
        require(parameter.requires_grad, f"{name} does not ask for a gradient")
    total = (y * subject.pull(2, subject.length)).sum()
    gradients = torch.autograd.grad(total, list(parameters.values()), allow_unused=True)
    for name, gradient in zip(parameters, gradients, strict=True):
        if gradient is None or not gradient.any():
            raise Violation(f"{name} gets no gradient: no output depends on it")
        require(bool(gradient.isfinite().all()), f"the gradient of {name} is not finite")


def seeded(subject: Subject) -> None:
    """The same seed gives the same bits, whatever ran before, and those bits rounded in bfloat16."""
    first = subject.fresh().state_dict()
    torch.rand(7)
    again = subject.fresh().state_dict()
    half = subject.fresh(torch.bfloat16).state_dict()
    for name, value in first.items():
        require(bool(value.isfinite().all()), f"{name} starts at values that are not finite")
        require_equal(again[name], value, f"{name} of the same seed")
        if value.is_floating_point():
            require_equal(half[name], value.bfloat16(), f"{name} in bfloat16")
    other = subject.fresh(seed=subject.seed + 1).state_dict()
    drawn = any(not torch.equal(other[name], value) for name, value in first.items())
    matrices = any(value.ndim > 1 for value in first.values())
    require(drawn or not matrices, "another seed gives the same weights")


@torch.no_grad()
def every_weight_starts(subject: Subject) -> None:
    """Initialisation writes every element: none is left as the memory was."""
    made = subject.fresh(device="meta")
    allocate(made, torch.device("cpu"), torch.float32)
    tensors = {**dict(made.named_parameters()), **dict(made.named_buffers())}
    for tensor in tensors.values():
        if tensor.is_floating_point():
            tensor.fill_(torch.nan)
    subject.start(made)
    for name, tensor in tensors.items():
        left = int(tensor.isnan().sum()) if tensor.is_floating_point() else 0
        require(not left, f"init_weights leaves {left} elements of {name} as they were")
