"""Activation checkpointing: the activations of some blocks are forgotten, and computed again in the backward pass.

Chen et al. 2016, arXiv:1604.06174. A block's forward pass is wrapped in place, so that names of parameters stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


def recompute(model: nn.Module, paths: Iterable[str]) -> None:
    """Have the blocks at these paths forget their activations; one that is used in several places does so in all."""
    for block in dict.fromkeys(model.get_submodule(path) for path in paths):
        block.__dict__["forward"] = partial(_again, block, block.forward)


def _again(block: nn.Module, forward: Callable[..., Any], *args: Any, **options: Any) -> Any:
    if not (block.training and torch.is_grad_enabled()):
        return forward(*args, **options)
    return checkpoint(forward, *args, use_reentrant=False, **options)
