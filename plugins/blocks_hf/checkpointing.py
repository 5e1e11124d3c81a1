"""Gradient checkpointing of a block: its activations are forgotten, and computed again for the gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn


class Checkpointed:
    """The forward pass of a block, inside of `around` while there is one and gradients are wanted."""

    def __init__(self, block: nn.Module) -> None:
        self.block, self.forward = block, block.forward
        self.around: Callable[..., Any] | None = None

    def __call__(self, *args: Any) -> Any:
        if self.around is None or not (self.block.training and torch.is_grad_enabled()):
            return self.forward(*args)
        return self.around(self.forward, *args)
