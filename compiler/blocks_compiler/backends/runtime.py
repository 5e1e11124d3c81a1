"""The parts every generated model is made of; the source backend copies the ones that a model needs.

Shapes: B batch, T tokens of this call, D d_model.
"""

import hashlib
import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn


class PreNormBlock(nn.Module):
    """x + mixer(norm(x)): the norm stands before the mixer, the stream passes untouched."""

    def __init__(self, norm: nn.Module, mixer: nn.Module) -> None:
        super().__init__()
        self.norm = norm
        self.mixer = mixer

    def forward(self, x: Tensor, state: Any = None, mask: Tensor | None = None) -> tuple[Tensor, Any]:
        y, state = self.mixer(self.norm(x), state, mask)
        return x + y, state  # [B, T, D]


class PostNormBlock(nn.Module):
    """norm(x + mixer(x)): the norm stands after the residual sum."""

    def __init__(self, norm: nn.Module, mixer: nn.Module) -> None:
        super().__init__()
        self.norm = norm
        self.mixer = mixer

    def forward(self, x: Tensor, state: Any = None, mask: Tensor | None = None) -> tuple[Tensor, Any]:
        y, state = self.mixer(x, state, mask)
        return self.norm(x + y), state  # [B, T, D]


class PlainBlock(nn.Module):
    """mixer(norm(x)), without a residual."""

    def __init__(self, norm: nn.Module, mixer: nn.Module) -> None:
        super().__init__()
        self.norm = norm
        self.mixer = mixer

    def forward(self, x: Tensor, state: Any = None, mask: Tensor | None = None) -> tuple[Tensor, Any]:
        y, state = self.mixer(self.norm(x), state, mask)
        return y, state  # [B, T, D]


class FusedBlock(nn.Module):
    """x + mixer(norm(x)), with the sum left to the norm that reads it: the stream is x + y."""

    def __init__(self, norm: Any, mixer: nn.Module) -> None:
        super().__init__()
        self.norm = norm
        self.mixer = mixer

    def forward(
        self, x: Tensor, y: Tensor | None, state: Any = None, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Any]:
        x, h = self.norm.add(x, y) if y is not None else (x, self.norm(x))
        y, state = self.mixer(h, state, mask)
        return x, y, state  # [B, T, D] each


class LayerScale(nn.Module):
    """A learned factor for each channel. Touvron et al. 2021, CaiT, arXiv:2103.17239, equation 4."""

    def __init__(self, width: int, start: float) -> None:
        super().__init__()
        self.start = start
        self.weight = nn.Parameter(torch.empty(width))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x  # [B, T, D]

    def init_weights(self, generator: torch.Generator) -> None:
        """Start all factors at one small value."""
        with torch.no_grad():
            self.weight.fill_(self.start)


@torch.no_grad()
def init_weights(
    model: nn.Module, seed: int = 0, around: Callable[[nn.Module], AbstractContextManager[Any]] = nullcontext
) -> None:
    """Draw all weights from `seed`: the same ones whatever the order, device or dtype of construction.

    Each module draws on the CPU in float32 from a generator of its own, seeded by its path. Linear maps and
    embeddings are normal with standard deviation 0.02; the last linear of each of the N residual blocks, its
    out_proj, with 0.02 / sqrt(N): Radford et al. 2019 (GPT-2), section 2.3. `around(module)` is entered while
    a module draws. Raises TypeError for a module that holds parameters or buffers and does not say how they
    start.
    """
    modules = dict(model.named_modules())
    n_residual = sum(path.endswith("out_proj") for path in modules)
    for path, module in modules.items():
        digest = hashlib.sha256(f"{seed}:{path}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
        with around(module):
            draw_weights(module, path, generator, n_residual)


def draw_weights(module: nn.Module, path: str, generator: torch.Generator, n_residual: int) -> None:
    """Draw the weights that a module holds itself, as `init_weights` says."""
    own = getattr(module, "init_weights", None)
    if own is not None:
        own(generator)
    elif isinstance(module, nn.Linear | nn.Embedding):
        scale = n_residual if path.endswith("out_proj") else 1
        drawn = torch.randn(module.weight.shape, generator=generator)
        module.weight.copy_(drawn * (0.02 / math.sqrt(scale)))
        if isinstance(module, nn.Linear) and module.bias is not None:
            module.bias.zero_()
    elif isinstance(module, nn.LayerNorm | nn.GroupNorm | nn.RMSNorm):
        module.reset_parameters()
    elif [*module.parameters(recurse=False), *module.buffers(recurse=False)]:
        raise TypeError(f"{type(module).__name__} at {path!r} needs a method init_weights(generator)")
