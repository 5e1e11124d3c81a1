"""The inside: the operations that a mixer declares for diagrams and cost reports are those of its module."""

from __future__ import annotations

from typing import Any

import torch

from blocks import Op, Polynomial
from blocks_compiler.conformance.measure import require
from blocks_compiler.conformance.subject import Subject
from blocks_compiler.conformance.surroundings import MEMORY_TOKENS

BATCH, TOKENS = 3, 7


@torch.no_grad()
def inside(subject: Subject) -> None:
    """Operations declared inside hold all parameters; where they are parts of the module, so are their sizes."""
    declared = subject.bound.inside()
    assert declared is not None
    total = sum(number(subject, op.params) for op in declared.ops)
    wanted = subject.cost.parameters(subject.d_model)
    require(total == wanted, f"the operations inside hold {total:,} parameters, and the mixer {wanted:,}")
    module = subject.fresh(device="meta")
    parts = dict(module.named_modules())
    for op in declared.fused().ops:
        if op.name not in parts:
            continue
        held, counted = sum(p.numel() for p in parts[op.name].parameters()), number(subject, op.params)
        require(held == counted, f"{op.name} is declared to hold {counted:,} parameters, and has {held:,}")
        width, out = axes(subject, op)[-1], getattr(parts[op.name], "out_features", None)
        require(
            op.kind != "linear" or out in (None, width), f"{op.name} is declared {width} wide, and is {out}"
        )
    x = torch.empty(BATCH, TOKENS, subject.d_model, device="meta")
    y, _ = module.forward(x, **subject.around.arguments(x))
    shape = axes(subject, declared.ops[-1])
    require(tuple(y.shape) == shape, f"the output is declared as {list(shape)}, and is {list(y.shape)}")


def axes(subject: Subject, op: Op) -> tuple[int, ...]:
    """The shape of an operation's output for the sizes that are tried."""
    letters = {"B": BATCH, "T": TOKENS, "S": MEMORY_TOKENS, "d_model": subject.d_model}
    return tuple(letters[axis] if isinstance(axis, str) else number(subject, axis) for axis in op.shape)


def number(subject: Subject, size: Any) -> int:
    """A size in numbers."""
    return int(Polynomial.of(size).number(D=subject.d_model, T=TOKENS, S=MEMORY_TOKENS))
