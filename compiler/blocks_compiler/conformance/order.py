"""Order: where it is declared not to matter, it does not."""

from __future__ import annotations

import torch

from blocks_compiler.conformance.measure import TOLERANCE, require_close
from blocks_compiler.conformance.subject import Subject


@torch.no_grad()
def permutation(subject: Subject) -> None:
    """Tokens in another order give the same outputs in that order, padding among them: err 1e-12 in fp64."""
    dtype = torch.float64
    module, tokens = subject.module(dtype), subject.length
    x = subject.inputs(3, tokens, dtype)
    masks: list[torch.Tensor | None] = [None]
    if "padded" in subject.can:
        masks.append(torch.arange(tokens) < torch.tensor([[tokens], [tokens - 5], [2]]))
    for mask in masks:
        y, _ = module(x, None, mask)
        real = torch.ones(3, tokens, dtype=torch.bool) if mask is None else mask
        for seed in range(3):
            order = torch.randperm(tokens, generator=torch.Generator().manual_seed(seed))
            moved, _ = module(x[:, order], None, None if mask is None else mask[:, order])
            where = (
                "tokens in another order" if mask is None else "tokens in another order, padding among them"
            )
            require_close(moved[real[:, order]], y[:, order][real[:, order]], TOLERANCE[dtype], where)
