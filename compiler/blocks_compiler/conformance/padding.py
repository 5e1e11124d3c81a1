"""Padding: what stands where the mask is false changes nothing where it is true."""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import Any

import torch
from torch import Tensor

from blocks_compiler.conformance.measure import (
    TOLERANCE,
    leaves,
    mapped,
    require,
    require_all_close,
    require_close,
    require_equal,
    require_same_state,
)
from blocks_compiler.conformance.subject import Subject

HUGE = 1e4
SHORT = (9, 5)
"""Tokens of batches that a mixer with a window may compute in other ways than a long one."""


def ragged(tokens: int, side: str) -> Tensor:
    """A mask bool [4, T] of rows with all, most, few and one real token."""
    real = torch.tensor([tokens, tokens - 3, min(tokens - 1, 5), 1])
    places = torch.arange(tokens)
    mask = places < real[:, None]
    return mask.flip(1) if side == "left" else mask


@torch.no_grad()
def padding_content(subject: Subject) -> None:
    """Another content of the padding, 1e4 everywhere, leaves the outputs at real tokens bit-equal."""
    module = subject.module()
    for tokens, side in product((subject.length, *SHORT), ("left", "right")):
        x, mask = subject.inputs(4, tokens), ragged(tokens, side)
        y, _ = module(x, None, mask)
        changed, _ = module(x.masked_fill(~mask[..., None], HUGE), None, mask)
        require_equal(changed[mask], y[mask], f"{side} padding of another content")


def padding_gradient(subject: Subject) -> None:
    """The gradient of real outputs with respect to padding is exactly 0."""
    for tokens, side in product((subject.length, *SHORT), ("left", "right")):
        x = subject.inputs(4, tokens).requires_grad_()
        mask = ragged(tokens, side)
        y, _ = subject.module()(x, None, mask)
        (gradient,) = torch.autograd.grad(y[mask].square().sum(), x)
        leaked = gradient[~mask].abs().max().item()
        require(leaked == 0, f"real outputs have gradient {leaked:.1e} of {side} padding")


@torch.no_grad()
def padded_batch(subject: Subject) -> None:
    """A row of a padded batch is the row alone, padded left or right: err 1e-12 in fp64, 1e-5 in fp32."""
    for dtype, tolerance in TOLERANCE.items():
        module = subject.module(dtype)
        for tokens, side in product((subject.length, *SHORT), ("left", "right")):
            x, mask = subject.inputs(4, tokens, dtype), ragged(tokens, side)
            y, _ = module(x, None, mask)
            rows = []
            for row in range(len(x)):
                alone, _ = module(x[row : row + 1, mask[row]])
                rows.append((f"row of {int(mask[row].sum())} tokens", y[row, mask[row]], alone[0]))
            require_all_close(rows, tolerance, f"{dtype}, {side} padding")


def padding_finite(subject: Subject) -> None:
    """A row without a real token stays finite, its gradients too, and leaves the other rows as they are."""
    module = subject.module()
    for tokens in (subject.length, *SHORT):
        x = subject.inputs(2, tokens).requires_grad_()
        mask = torch.tensor([[True] * tokens, [False] * tokens])
        y, _ = module(x, None, mask)
        require(bool(y.isfinite().all()), "a row of padding alone is not finite")
        whole, _ = module(x[:1])
        require_close(y[:1], whole, TOLERANCE[x.dtype], "the row beside one of padding alone")
        found = torch.autograd.grad(y.square().sum(), [x, *module.parameters()], allow_unused=True)
        finite = all(bool(gradient.isfinite().all()) for gradient in found if gradient is not None)
        require(finite, "a gradient is not finite where a row is padding alone")


@torch.no_grad()
def padded_state(subject: Subject) -> None:
    """Tokens after a padded prompt see its real tokens alone: as many steps, with and without a mask."""
    tolerance = TOLERANCE[torch.float64]
    module = subject.module()
    x, later = subject.inputs(4, subject.length), subject.inputs(4, 6, seed=1)
    for side in ("left", "right"):
        mask = ragged(subject.length, side)
        _, prompt = module(x, None, mask)
        for given in (None, torch.ones(4, 3, dtype=torch.bool)):
            first, state = module(later[:, :3], prompt, given)
            outputs = [first]
            for t in range(3, 6):
                step, state = module(later[:, t : t + 1], state, None if given is None else given[:, :1])
                outputs.append(step)
            y = torch.cat(outputs, dim=1)
            rows = []
            for row in range(len(x)):
                _, own = module(x[row : row + 1, mask[row]])
                alone, _ = module(later[row : row + 1], own)
                rows.append((f"after a row of {int(mask[row].sum())}", y[row : row + 1], alone))
                if side_by_side(prompt, own):
                    of_row = mapped(prompt, partial(torch.narrow, dim=0, start=row, length=1))
                    where = f"{side} padding, a row of {int(mask[row].sum())} tokens"
                    require_same_state(of_row, own, tolerance, where)
            require_all_close(rows, tolerance, f"tokens after {side} padding")


def side_by_side(batch: Any, row: Any) -> bool:
    """Whether a state of several rows is one of as many tensors as that of a row alone, of the same sizes.

    Keys of padding are kept with a mask, so that caches are not; sums and recurrent states are.
    """
    many, one = dict(leaves(batch)), dict(leaves(row))
    return many.keys() == one.keys() and all(many[name].shape[1:] == one[name].shape[1:] for name in one)


@torch.no_grad()
def padded_split(subject: Subject) -> None:
    """A padded batch cut into calls is the batch in one, whether a call of real tokens alone has a mask or not."""
    dtype = torch.float64
    module, tokens = subject.module(dtype), subject.length
    x = subject.inputs(4, tokens, dtype)
    masks = {side: ragged(tokens, side) for side in ("left", "right")}
    masks["between"] = torch.arange(tokens) % torch.tensor([[2], [3], [5], [tokens]]) != 1
    masks["behind"] = masks["right"] | (torch.arange(tokens) < tokens // 3)
    for where, mask in masks.items():
        y, _ = module(x, None, mask)
        for pieces in ([1, tokens - 1], [tokens // 3, tokens - tokens // 3], [7, 2, 1, 5, tokens - 15]):
            state, outputs = None, []
            for part, real in zip(
                torch.split(x, pieces, dim=1), torch.split(mask, pieces, dim=1), strict=True
            ):
                got, state = module(part, state, None if real.all() else real)
                outputs.append(got)
            got = torch.cat(outputs, dim=1)
            require_close(got[mask], y[mask], TOLERANCE[dtype], f"padding {where}, cut into {pieces}")
