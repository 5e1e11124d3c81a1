"""Splits: a sequence cut into calls, the state handed on, is the sequence in one call."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from blocks_compiler.conformance.measure import (
    TOLERANCE,
    leaves,
    require,
    require_close,
    require_equal,
    require_same_state,
)
from blocks_compiler.conformance.subject import Subject


def cuts(subject: Subject) -> Iterator[list[int]]:
    """Lengths of the pieces: one token at the end, at the start, nothing, around every bound, equal ones, at random."""
    tokens = subject.length
    for at in (1, tokens - 1, tokens // 2, 0, tokens):
        yield [at, tokens - at]
    for bound in subject.bounds:
        for at in (bound - 1, bound, bound + 1):
            if 0 < at < tokens:
                yield [at, tokens - at]
    for size in (3, 8):
        yield [size] * (tokens // size) + [tokens % size]
    source = random.Random(subject.seed)
    for _ in range(3):
        marks = sorted(source.choices(range(tokens + 1), k=4))
        yield [end - start for start, end in pairwise([0, *marks, tokens])]


def run_in_pieces(module: Any, x: Tensor, pieces: list[int], state: Any = None) -> tuple[Tensor, Any]:
    """The outputs of all pieces joined, and the last state."""
    outputs, start = [], 0
    for length in pieces:
        y, state = module(x[:, start : start + length], state)
        outputs.append(y)
        start += length
    return torch.cat(outputs, dim=1), state


@torch.no_grad()
def any_split(subject: Subject) -> None:
    """Outputs and final state of any split are those of one call: err 1e-12 in fp64, 1e-5 in fp32."""
    for dtype, tolerance in TOLERANCE.items():
        module = subject.module(dtype)
        x = subject.inputs(2, subject.length, dtype)
        y, state = module(x)
        for pieces in cuts(subject):
            got, last = run_in_pieces(module, x, pieces)
            require_close(got, y, tolerance, f"{dtype}, cut into {pieces}")
            require_same_state(last, state, tolerance, f"{dtype}, cut into {pieces}")


@torch.no_grad()
def token_by_token(subject: Subject) -> None:
    """One token a call gives outputs and final state of one call, from the start and after a prompt."""
    for dtype, tolerance in TOLERANCE.items():
        module = subject.module(dtype)
        tokens = subject.length
        x = subject.inputs(2, tokens, dtype)
        y, state = module(x)
        for prompt in (0, 5):
            got, last = run_in_pieces(module, x, [prompt] * (prompt > 0) + [1] * (tokens - prompt))
            require_close(got, y, tolerance, f"{dtype}, token by token after {prompt}")
            require_same_state(last, state, tolerance, f"{dtype}, token by token after {prompt}")


@torch.no_grad()
def state_untouched(subject: Subject) -> None:
    """A state is an argument and a result: the given one keeps every bit, and gives the same twice."""
    module = subject.module()
    x = subject.inputs(2, 12)
    first, _ = module(x[:, :8])
    again, state = module(x[:, :8])
    require_equal(again, first, "the second of two calls without a state")
    before = {name: tensor.clone() for name, tensor in leaves(state)}
    for tokens in (1, 4):
        once, _ = module(x[:, 8 : 8 + tokens], state)
        for name, tensor in leaves(state):
            require(torch.equal(tensor, before[name]), f"a call with {tokens} tokens changed {name} in place")
        twice, _ = module(x[:, 8 : 8 + tokens], state)
        require_equal(twice, once, f"the second of two calls with one state and {tokens} tokens")
