"""Recurrence over time in plain PyTorch. Shape letters: B batch, T tokens."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._higher_order_ops.scan import scan


def over_time(
    step: Callable[..., Any],
    state: tuple[Tensor, ...],
    inputs: tuple[Tensor, ...],
    mask: Tensor | None = None,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run `y, state = step(state, *inputs)`, a token at a time, over inputs [B, T, ...].

    mask bool [B, T]: where it is false the state stays as it was. Returns y [B, T, ...] and the last state.
    A loop; while compiling or exporting one `scan` operator, so that the graph does not grow with T, which
    may be symbolic.
    """
    T = inputs[0].shape[1]
    if T == 0:
        y, _ = step(state, *(t.new_zeros(t.shape[0], *t.shape[2:]) for t in inputs))
        return y[:, None][:, :0], state
    if T == 1 or not torch.compiler.is_compiling():
        ys = []
        for t in range(T):
            y, new = step(state, *(each[:, t] for each in inputs))
            state = new if mask is None else keep(mask[:, t], new, state)
            ys.append(y)
        return torch.stack(ys, dim=1), state

    # The operator asks for two tokens at least: one of padding follows.
    real = inputs[0].new_ones(inputs[0].shape[:2], dtype=torch.bool) if mask is None else mask
    padded = (F.pad(real, (0, 1)), *(F.pad(t, (0, 0) * (t.ndim - 2) + (0, 1)) for t in inputs))

    def one(state: Any, inputs: Any) -> Any:
        y, new = step(state, *inputs[1:])
        return tuple(s.clone() for s in keep(inputs[0], new, state)), y.clone()

    result: Any = scan(one, state, tuple(t.transpose(0, 1) for t in padded))
    return result[1].transpose(0, 1)[:, :T], result[0]


def keep(real: Tensor, new: tuple[Tensor, ...], old: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Rows of `new` where `real` [B] is true, of `old` elsewhere; each [B, channels]."""
    return tuple(torch.where(real[:, None], a, b) for a, b in zip(new, old, strict=True))
