"""Decoding: what generation does with a state. Prompts of several lengths, beams in another order, a step back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from blocks_compiler.conformance.measure import TOLERANCE, leaves, mapped, require, require_close
from blocks_compiler.conformance.padding import ragged
from blocks_compiler.conformance.splits import run_in_pieces
from blocks_compiler.conformance.subject import Subject

STEPS = 6
COARSE = {torch.float32: TOLERANCE[torch.float32], torch.bfloat16: 1e-2}


def prompted(subject: Subject, dtype: torch.dtype) -> tuple[Any, Tensor, Tensor | None, Any]:
    """A module, prompts x [4, T, D], padded left by a mask where that is declared, and the state after them."""
    module, x = subject.module(dtype), subject.inputs(4, subject.length, dtype)
    mask = ragged(subject.length, "left") if "padded" in subject.can else None
    _, state = module(x, None, mask)
    return module, x, mask, state


def whole(module: Any, x: Tensor, mask: Tensor | None, later: Tensor) -> Tensor:
    """The outputs of `later` after prompts x, all in one call."""
    if mask is not None:
        mask = torch.cat((mask, mask.new_ones(later.shape[:2])), dim=1)
    y: Tensor = module(torch.cat((x, later), dim=1), None, mask)[0]
    return y[:, x.shape[1] :]


@torch.no_grad()
def decoding(subject: Subject) -> None:
    """Token by token, prompts padded left, gives what one call gives: err 1e-5 in fp32, 1e-2 in bf16."""
    for dtype, tolerance in COARSE.items():
        module, x, mask, state = prompted(subject, dtype)
        later = subject.inputs(4, STEPS, dtype, seed=1)
        y, _ = run_in_pieces(module, later, [1] * STEPS, state)
        wanted = whole(module, x, mask, later)
        require_close(y, wanted, tolerance, f"{dtype}, {STEPS} tokens one by one after prompts")
        wanted, _ = module(x, None, mask)
        state, outputs = None, []
        for t in range(x.shape[1]):  # padding comes one by one as well
            step, state = module(x[:, t : t + 1], state, None if mask is None else mask[:, t : t + 1])
            outputs.append(step)
        real = slice(None) if mask is None else mask
        y = torch.cat(outputs, dim=1)
        require_close(y[real], wanted[real], tolerance, f"{dtype}, prompts one token at a time")


@torch.no_grad()
def state_reordered(subject: Subject) -> None:
    """Rows of a state can be taken in another order, twice or not at all, along the first axis of every tensor."""
    dtype = torch.float64
    module, x, mask, state = prompted(subject, dtype)
    for name, tensor in leaves(state):
        rows = tensor.shape[0] if tensor.ndim else None
        require(rows == len(x), f"{name} {list(tensor.shape)} has no row for each of {len(x)} sequences")
    order = torch.tensor([2, 0, 3, 3, 1])
    beams = mapped(state, lambda tensor: tensor.index_select(0, order))
    later = subject.inputs(len(order), STEPS, dtype, seed=1)
    y, _ = run_in_pieces(module, later, [1, 2, 1, STEPS - 4], beams)
    wanted = whole(module, x[order], None if mask is None else mask[order], later)
    require_close(y, wanted, TOLERANCE[dtype], "rows in another order")


@torch.no_grad()
def state_rewound(subject: Subject) -> None:
    """An earlier state can be gone back to, and on from with other tokens, as if the first ones had not been."""
    dtype = torch.float64
    module, x, mask, state = prompted(subject, dtype)
    before = {name: tensor.clone() for name, tensor in leaves(state)}
    tried, other = (subject.inputs(4, STEPS, dtype, seed=seed) for seed in (1, 2))
    first, halfway = run_in_pieces(module, tried, [1] * 3, state)
    y, _ = run_in_pieces(module, tried[:, 3:], [1] * (STEPS - 3), halfway)
    wanted = whole(module, x, mask, tried)
    require_close(torch.cat((first, y), dim=1), wanted, TOLERANCE[dtype], "the tokens that are taken back")
    for name, tensor in leaves(state):
        require(torch.equal(tensor, before[name]), f"{name} was changed by the calls that followed it")
    y, _ = run_in_pieces(module, other, [1, 2, STEPS - 3], state)
    require_close(y, whole(module, x, mask, other), TOLERANCE[dtype], "other tokens from an earlier state")
    joined = torch.cat((tried[:, :3], other[:, :2]), dim=1)
    y, _ = run_in_pieces(module, other[:, :2], [2], halfway)
    wanted = whole(module, x, mask, joined)[:, 3:]
    require_close(y, wanted, TOLERANCE[dtype], "other tokens from a state between")


@torch.no_grad()
def state_reserved(subject: Subject) -> None:
    """Steps write into the room that is reserved, give what they gave without it, and leave the first state."""
    dtype = torch.float64
    module, x, mask, state = prompted(subject, dtype)
    later = subject.inputs(4, STEPS, dtype, seed=1)
    wanted = whole(module, x, mask, later)
    before = {name: tensor.clone() for name, tensor in leaves(state)}
    room = module.reserve(state, x.shape[1] + STEPS)
    beams = mapped(room, lambda tensor: tensor.flip(0))
    y = stepped(module, later, room)
    require_close(y, wanted, TOLERANCE[dtype], "tokens one by one with room for them")
    for name, tensor in leaves(state):
        require(torch.equal(tensor, before[name]), f"{name} was changed by the steps after it was reserved")
    y = stepped(module, later.flip(0), beams)
    require_close(y, wanted.flip(0), TOLERANCE[dtype], "with room, rows in another order")
    _, short = module(x[:, :2])
    y = stepped(module, x[:, 2:], module.reserve(short, x.shape[1]))
    require_close(y, module(x)[0][:, 2:], TOLERANCE[dtype], "after 2 tokens, with room for all")
    odd = ((x[:, :2], None), (x[:, :1], x.new_ones(4, 1, dtype=torch.bool)))
    for tokens, real in odd:
        try:
            module(tokens, room, real)
        except ValueError:
            continue
        require(False, "a state with room takes several tokens, or a mask, and does not raise ValueError")


def stepped(module: Any, x: Tensor, room: Any) -> Tensor:
    """The outputs of tokens one by one, whose state is changed in place."""
    outputs = []
    for t in range(x.shape[1]):
        y, after = module(x[:, t : t + 1], room)
        outputs.append(y)
        for (name, tensor), (_, own) in zip(leaves(after), leaves(room), strict=True):
            require(tensor is own, f"{name} is another tensor after a step")
    return torch.cat(outputs, dim=1)
