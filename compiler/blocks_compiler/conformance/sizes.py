"""Sizes: every length and batch gives an output of the same shape and dtype, none and one included."""

from __future__ import annotations

import torch

from blocks_compiler.conformance.measure import leaves, require
from blocks_compiler.conformance.subject import Subject

MANY = 4096


@torch.no_grad()
def shape(subject: Subject) -> None:
    """Every x [B, T, D] becomes y [B, T, D] of the same dtype: T = 0, 1, 2, about each bound, a prime; B = 0, 1, 3."""
    for dtype in (torch.float32, torch.bfloat16):
        module = subject.module(dtype)
        around = sorted({bound + more for bound in subject.bounds for more in (-1, 0, 1)})
        bounds = [(2, tokens) for tokens in around if 2 < tokens < subject.length]
        for batch, tokens in ((3, 0), (3, 1), (3, 2), *bounds, (1, subject.length), (3, 7), (0, 5), (0, 0)):
            x = subject.inputs(batch, tokens, dtype)
            result = module(x)
            require(
                isinstance(result, tuple) and len(result) == 2,
                f"forward returns {type(result).__name__}, not the pair (y, state)",
            )
            where = f"B = {batch}, T = {tokens}, {dtype}"
            require(
                result[0].shape == subject.output_shape(x),
                f"{where}: y is {list(result[0].shape)}, x {list(x.shape)}",
            )
            require(result[0].dtype == dtype, f"{where}: y is {result[0].dtype}")
            require(bool(result[0].isfinite().all()), f"{where}: y is not finite")


@torch.no_grad()
def shape_with_state(subject: Subject) -> None:
    """The same with a state, also where the call or the one before it brings no token."""
    module = subject.module(torch.float32)
    for batch in (2, 0):
        for before in (0, 1, subject.length):
            _, state = module(subject.inputs(batch, before, torch.float32))
            for tokens in (0, 1, 2, 7):
                x = subject.inputs(batch, tokens, torch.float32)
                y, _ = module(x, state)
                where = f"B = {batch}, {tokens} tokens after {before}"
                require(
                    y.shape == subject.output_shape(x), f"{where}: y is {list(y.shape)}, x {list(x.shape)}"
                )
                require(bool(y.isfinite().all()), f"{where}: y is not finite")


@torch.no_grad()
def many_tokens(subject: Subject) -> None:
    """Outputs and state of 4096 tokens are finite in fp32, whose range bf16 shares."""
    y, state = subject.module(torch.float32)(subject.inputs(1, MANY, torch.float32))
    for name, tensor in (("the output", y), *leaves(state)):
        require(bool(tensor.isfinite().all()), f"{name} of {MANY} tokens is not finite")
