"""Packing: documents that share a row are documents alone. Their number stands in a mask int64, 0 at padding."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from typing import Any

import torch
from torch import Tensor

from blocks_compiler.conformance.measure import TOLERANCE, require, require_all_close
from blocks_compiler.conformance.subject import Subject

HUGE = 1e4


def documents(subject: Subject) -> Tensor:
    """int64 [4, T]: documents of 1, 2, about every bound, and more tokens; without padding, with it around, between,
    and nothing else."""
    tokens = subject.length
    around = {bound + more for bound in subject.bounds for more in (-1, 0, 1)}
    sizes = [5, 1, 2, *sorted(size for size in around if 2 < size < tokens // 2), 9]
    rows = torch.zeros(4, tokens, dtype=torch.int64)
    for row, (first, gap, end) in enumerate(((0, 0, tokens), (3, 2, tokens - 4), (2, 0, tokens))):
        start = first
        for number, size in enumerate(cycle([tokens] if row == 2 else sizes), start=1):
            if start >= end:
                break
            rows[row, start : min(start + size, end)] = number
            start += size + gap
    rows[1, 5] = 0  # padding inside of a document, which does not end it
    return rows


def each(mask: Tensor) -> Iterator[tuple[int, int, Tensor]]:
    """Row, number and tokens bool [T] of every document."""
    for row, numbers in enumerate(mask):
        for number in range(1, int(numbers.max()) + 1):
            yield row, number, numbers == number


def memories(subject: Subject, mask: Tensor, dtype: torch.dtype) -> dict[tuple[int, int], Tensor]:
    """(row, number) -> the memory [1, S, M] of that document alone, none as long as the next."""
    found = {}
    for row, number, _ in each(mask):
        values, _ = subject.around.memory(1, dtype, mask.device, seed=100 * row + number)
        found[row, number] = values[:, : 2 + (row + number) % 5]
    return found


def packed_call(subject: Subject, x: Tensor, mask: Tensor) -> Any:
    """The outputs and the state of a packed call; each document reads the memory of its own number."""
    module = subject.module(x.dtype)
    if subject.mixer.memory_width is None:
        return module(x, None, mask)
    own = memories(subject, mask, x.dtype)
    longest = max(sum(own[key].shape[1] for key in own if key[0] == row) for row in range(len(x)))
    values = x.new_zeros(len(x), longest, subject.mixer.memory_width)
    numbers = torch.zeros(len(x), longest, dtype=torch.int64)
    for row in range(len(x)):
        start = 0
        for key in (key for key in own if key[0] == row):
            end = start + own[key].shape[1]
            values[row, start:end], numbers[row, start:end] = own[key][0], key[1]
            start = end
    return module.forward(x, mask=mask, memory=(values, numbers))


@torch.no_grad()
def packed_documents(subject: Subject) -> None:
    """Each document of a packed row is the document alone: err 1e-12 in fp64, 1e-5 in fp32; padding is finite."""
    mask = documents(subject)
    for dtype, tolerance in TOLERANCE.items():
        module = subject.module(dtype)
        x = subject.inputs(len(mask), subject.length, dtype)
        y, _ = packed_call(subject, x, mask)
        require(bool(y.isfinite().all()), f"{dtype}: an output of a packed row is not finite")
        own = memories(subject, mask, dtype) if subject.mixer.memory_width is not None else {}
        found = []
        for row, number, tokens in each(mask):
            alone = x[row : row + 1, tokens]
            if own:
                wanted, _ = module.forward(alone, memory=(own[row, number], None))
            else:
                wanted, _ = module(alone)
            where = f"row {row}, document {number} of {int(tokens.sum())} tokens"
            found.append((where, y[row : row + 1, tokens], wanted))
        require_all_close(found, tolerance, f"{dtype}, packed rows")


def packed_gradient(subject: Subject) -> None:
    """The gradient of a document with respect to other documents and to padding is exactly 0; of itself it is not."""
    mask = documents(subject)
    x = subject.inputs(len(mask), subject.length).requires_grad_()
    y, _ = packed_call(subject, x, mask)
    for row, number, tokens in each(mask):
        total = y[row, tokens].square().sum()
        (gradient,) = torch.autograd.grad(total, x, retain_graph=True, materialize_grads=True)
        own = gradient[row, tokens].clone()
        gradient[row, tokens] = 0
        leaked = gradient.abs().max().item()
        where = f"document {number} of row {row}"
        require(leaked == 0, f"{where} has gradient {leaked:.1e} of tokens that are not its own")
        require(bool(own.isfinite().all() and own.any()), f"{where} has no gradient of itself that is finite")


@torch.no_grad()
def packed_alone(subject: Subject) -> None:
    """Packed rows are given whole: a state beside them raises ValueError, and so does going on from what they left."""
    mask = documents(subject)
    x = subject.inputs(len(mask), subject.length)
    _, left = packed_call(subject, x, mask)
    _, before = subject.module()(x)
    for what, state, later in (
        ("a state beside packed rows", before, mask),
        ("the state of packed rows", left, None),
    ):
        if state is None:
            continue
        try:
            subject.module()(x, state, later)
        except ValueError:
            continue
        require(False, f"{what} is taken without a word")
