"""Padding: what stands where the mask is false changes nothing where it is true."""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor

from blocks_compiler.conformance.measure import (
    TOLERANCE,
    require,
    require_all_close,
    require_close,
    require_equal,
)
from blocks_compiler.conformance.subject import Subject

HUGE = 1e4
SHORT = 9
"""Tokens of a batch that a mixer with a window may compute in another way than a long one."""


def ragged(tokens: int, side: str) -> Tensor:
    """A mask bool [4, T] of rows with all, most, few and one real token."""
    real = torch.tensor([tokens, tokens - 3, 5, 1])
    places = torch.arange(tokens)
    mask = places < real[:, None]
    return mask.flip(1) if side == "left" else mask


@torch.no_grad()
def padding_content(subject: Subject) -> None:
    """Another content of the padding, 1e4 everywhere, leaves the outputs at real tokens bit-equal."""
    module = subject.module()
    for tokens, side in product((subject.length, SHORT), ("left", "right")):
        x, mask = subject.inputs(4, tokens), ragged(tokens, side)
        y, _ = module(x, None, mask)
        changed, _ = module(x.masked_fill(~mask[..., None], HUGE), None, mask)
        require_equal(changed[mask], y[mask], f"{side} padding of another content")


def padding_gradient(subject: Subject) -> None:
    """The gradient of real outputs with respect to padding is exactly 0."""
    for tokens, side in product((subject.length, SHORT), ("left", "right")):
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
        for tokens, side in product((subject.length, SHORT), ("left", "right")):
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
    for tokens in (subject.length, SHORT):
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
            require_all_close(rows, tolerance, f"tokens after {side} padding")
