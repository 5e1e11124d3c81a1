"""Recurrent layers on torch's own kernels: cuDNN's on a GPU, oneDNN's or a loop in C++ on a CPU.

Shape letters as in `kernels`, whose ops these are; N sequences of real tokens, L real tokens in all of them. Padded
batches and packed documents go as torch's packed sequences: each row of real tokens is one, or each document. What
torch has no kernel for, `kernels` computes: one token alone, 16 bits on a CPU, graphs that are compiled or exported.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from . import kernels

CPU_DTYPES = (torch.float32, torch.float64)


def rnn(
    x: Tensor,
    h: Tensor,
    W: Tensor,
    U: Tensor,
    bias: Tensor | None = None,
    activation: str = "tanh",
    real: Tensor | None = None,
    starts: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The op `rnn` as torch.nn.RNN computes it."""
    if not suits(x, W):
        return kernels.rnn(x, h, W, U, bias, activation, real, starts)
    y, h = run(f"rnn_{activation}", x, [h], weights_of(W, U, bias), real, starts)
    return y, h


def lstm(
    x: Tensor,
    h: Tensor,
    c: Tensor,
    W: Tensor,
    U: Tensor,
    bias: Tensor | None = None,
    peepholes: Tensor | None = None,
    projection: Tensor | None = None,
    real: Tensor | None = None,
    starts: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """The op `lstm` as torch.nn.LSTM computes it. In 16 bits the cell is rounded once a call, when it is handed in."""
    if peepholes is not None or not suits(x, W):
        return kernels.lstm(x, h, c, W, U, bias, peepholes, projection, real, starts)
    weights = weights_of(W, U, bias) + ([] if projection is None else [projection])
    if projection is not None and real is None and x.device.type == "cpu":  # oneDNN has none, and warns of it
        real = x.new_ones(x.shape[:2], dtype=torch.bool)
    y, h, last = run("lstm", x, [h, c.to(W.dtype)], weights, real, starts)
    return y, h, last.to(torch.promote_types(x.dtype, torch.float32))


def gru(
    x: Tensor,
    h: Tensor,
    W: Tensor,
    bias: Tensor | None,
    U_gates: Tensor,
    U: Tensor,
    b: Tensor | None = None,
    reset_after: bool = False,
    real: Tensor | None = None,
    starts: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The op `gru` as torch.nn.GRU computes it, whose z is the share of the old: the rows of z change their sign."""
    if not reset_after or not suits(x, W):
        return kernels.gru(x, h, W, bias, U_gates, U, b, reset_after, real, starts)
    weights = [signed(W), signed(torch.cat((U_gates, U)))]
    if bias is not None and b is not None:
        weights += [signed(bias), torch.cat((torch.zeros_like(bias[: 2 * len(b)]), b))]
    y, h = run("gru", x, [h], weights, real, starts)
    return y, h


def signed(rows: Tensor) -> Tensor:
    """Rows of r, z and h~ with the sign of z changed."""
    r, z, new = rows.chunk(3)
    return torch.cat((r, -z, new))


def weights_of(W: Tensor, U: Tensor, bias: Tensor | None) -> list[Tensor]:
    """Weights as torch orders them, with its second bias, of zeros."""
    return [W, U] if bias is None else [W, U, bias, torch.zeros_like(bias)]


def suits(x: Tensor, weight: Tensor) -> bool:
    """Whether torch's kernels are for this call."""
    if x.is_meta or torch.compiler.is_compiling() or x.shape[1] < 2 or x.shape[0] == 0:
        return False
    return weight.dtype in CPU_DTYPES if x.device.type == "cpu" else x.device.type == "cuda"


def run(
    mode: str,
    x: Tensor,
    state: list[Tensor],
    weights: list[Tensor],
    real: Tensor | None,
    starts: Tensor | None,
) -> list[Tensor]:
    """y [B, T, P] in the dtype of x, and the last state; in between everything has the dtype of the weights."""
    dtype = weights[0].dtype
    with torch.autocast(x.device.type, enabled=False):
        y, *last = fused(mode, x.to(dtype), [s.to(dtype) for s in state], weights, real, starts)
    return [y.to(x.dtype), *(new.to(old.dtype) for new, old in zip(last, state, strict=True))]


def fused(
    mode: str,
    x: Tensor,
    state: list[Tensor],
    weights: list[Tensor],
    real: Tensor | None,
    starts: Tensor | None,
) -> list[Tensor]:
    """Torch's function of one layer in one direction, `mode` lstm, gru, rnn_tanh or rnn_relu."""
    function: Any = getattr(torch._VF, mode)
    biased = len(weights) > 3
    if x.device.type == "cuda":
        weights = in_one_piece(weights)
    if real is None:
        hidden = tuple(s[None].contiguous() for s in state)
        found = function(
            x, hidden if mode == "lstm" else hidden[0], weights, biased, 1, 0.0, True, False, True
        )
        return [found[0], *(s[0] for s in found[1:])]
    at = sequences(real, starts)
    if len(at.tokens) == 0:
        return [x.new_zeros(*x.shape[:2], state[0].shape[-1]), *(s.clone() for s in state)]
    new = starts is not None
    hidden = tuple((s.new_zeros(len(at.rows), s.shape[1]) if new else s[at.rows])[None] for s in state)
    flat = x.flatten(0, 1)[at.tokens]
    found = function(
        flat, at.sizes, hidden if mode == "lstm" else hidden[0], weights, biased, 1, 0.0, True, False
    )
    y = found[0].new_zeros(real.numel(), found[0].shape[-1]).index_copy(0, at.tokens, found[0])
    last = [s if new else s.index_copy(0, at.rows, n[0]) for s, n in zip(state, found[1:], strict=True)]
    return [y.unflatten(0, real.shape), *last]


class Sequences(NamedTuple):
    """Where the tokens of torch's packed sequences are: the longest sequence first, the first tokens of all first."""

    tokens: Tensor  # int64 [L], each in [0, B T)
    sizes: Tensor  # int64, on the CPU: how many sequences have a first token, a second one …
    rows: Tensor  # int64 [N], the row of each sequence


def sequences(real: Tensor, starts: Tensor | None) -> Sequences:
    """The sequences of a batch: the real tokens of each row, or its documents where `starts` says so."""
    T = real.shape[1]
    tokens = real.flatten().nonzero()[:, 0]
    number = tokens // T if starts is None else starts.flatten().cumsum(0)[tokens]
    _, inverse, lengths = torch.unique_consecutive(number, return_inverse=True, return_counts=True)
    first = lengths.cumsum(0) - lengths
    order = lengths.argsort(descending=True, stable=True)
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order), device=order.device)
    rank = torch.arange(len(tokens), device=tokens.device) - first[inverse]  # 0 at the first token of each
    packed = tokens[(rank * len(order) + place[inverse]).argsort()]
    return Sequences(packed, rank.bincount().cpu(), tokens[first[order]] // T)


def in_one_piece(weights: list[Tensor]) -> list[Tensor]:
    """The same weights one behind another in memory, as cuDNN wants them."""
    flat = torch.cat([weight.reshape(-1) for weight in weights])
    parts = torch.split(flat, [weight.numel() for weight in weights])
    return [part.view(weight.shape) for part, weight in zip(parts, weights, strict=True)]
