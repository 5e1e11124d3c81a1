"""Memory: it is read, its padding is not, each row reads its own, and the state keeps what was read."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from blocks_compiler.conformance.measure import TOLERANCE, require, require_close, require_equal
from blocks_compiler.conformance.subject import Subject

HUGE = 1e4


def memory(subject: Subject, batch: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Values [batch, S, M] and mask bool [batch, S] in fp64, another memory in every row."""
    rows = [subject.around.memory(1, torch.float64, torch.device("cpu"), seed + row) for row in range(batch)]
    return torch.cat([values for values, _ in rows]), torch.cat([mask for _, mask in rows])


def forward(subject: Subject) -> Any:
    """The module's own forward, which is given its memory by hand."""
    return subject.module().forward


def memory_needed(subject: Subject) -> None:
    """The first call, without a state, needs a memory: an error, never an output without it."""
    try:
        forward(subject)(subject.inputs(2, 3))
    except (ValueError, TypeError):
        return
    require(False, "a call with neither memory nor state gives an output")


def memory_gradient(subject: Subject) -> None:
    """Every output has a gradient of the real tokens of its memory, and exactly 0 of padding."""
    values, mask = memory(subject, 2)
    values.requires_grad_()
    y, _ = forward(subject)(subject.inputs(2, 5), memory=(values, mask))
    for t in range(y.shape[1]):
        total = y[:, t].square().sum()
        (found,) = torch.autograd.grad(total, values, retain_graph=True, allow_unused=True)
        gradient = torch.zeros_like(values) if found is None else found
        read = bool(gradient[mask].any(dim=-1).all())
        require(read, f"output {t} does not read every token of the memory")
        leaked = gradient[~mask].abs().max().item()
        require(leaked == 0, f"output {t} has gradient {leaked:.1e} of the memory's padding")


@torch.no_grad()
def memory_padding(subject: Subject) -> None:
    """Padding of the memory, left or right, of any content, is a memory without it: err 1e-12 in fp64."""
    values, mask = memory(subject, 3)
    real = int(mask[0].sum())
    x = subject.inputs(3, 5)
    y, _ = forward(subject)(x, memory=(values, mask))
    content = values.masked_fill(~mask[..., None], HUGE)
    changed, _ = forward(subject)(x, memory=(content, mask))
    require_equal(changed, y, "padding of the memory of another content")
    left = content.roll(-real, dims=1), mask.roll(-real, dims=1)
    moved, _ = forward(subject)(x, memory=left)
    require_close(moved, y, TOLERANCE[x.dtype], "a memory padded left")
    short, _ = forward(subject)(x, memory=(values[:, :real], None))
    require_close(short, y, TOLERANCE[x.dtype], "a memory without its padding and mask")


@torch.no_grad()
def memory_rows(subject: Subject) -> None:
    """Each row of a batch reads its own row of the memory, also one of a single real token, or of none."""
    values, mask = memory(subject, 4)
    mask[1, 1:] = False
    x = subject.inputs(4, 5)
    y, _ = forward(subject)(x, memory=(values, mask))
    for row in range(len(x)):
        own = values[row : row + 1, mask[row]], None
        alone, _ = forward(subject)(x[row : row + 1], memory=own)
        where = f"a row with {int(mask[row].sum())} tokens of memory"
        require_close(y[row : row + 1], alone, TOLERANCE[x.dtype], where)
    mask[1] = False
    y, _ = forward(subject)(x, memory=(values, mask))
    require(bool(y.isfinite().all()), "a row whose memory is padding alone is not finite")


@torch.no_grad()
def memory_kept(subject: Subject) -> None:
    """Once there is a state the memory is not read: none, or another one, gives the same bits."""
    x = subject.inputs(2, 9)
    call = forward(subject)
    whole, _ = call(x, memory=memory(subject, 2))
    _, state = call(x[:, :5], memory=memory(subject, 2))
    y, _ = call(x[:, 5:], state)
    require_close(y, whole[:, 5:], TOLERANCE[x.dtype], "later tokens, from the state alone")
    other, _ = call(x[:, 5:], state, memory=memory(subject, 2, seed=50))
    require_equal(other, y, "another memory beside a state")
