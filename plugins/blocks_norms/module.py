"""Root-mean-square normalisation as a module."""

import torch
from torch import Tensor, nn

from .kernels import add_rms_norm, rms_norm


class RMSNorm(nn.Module):
    """Scale each token's features to a root mean square of one, then by a learned weight.

    Zhang and Sennrich 2019, "Root Mean Square Layer Normalization", arXiv:1910.07467.
    """

    def __init__(self, d_model: int, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.empty(d_model))

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised x [..., D]."""
        return rms_norm(x, self.weight, self.eps)

    def add(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return (x + y, norm(x + y)), both [..., D]."""
        return add_rms_norm(x, y, self.weight, self.eps)

    def init_weights(self, generator: torch.Generator) -> None:
        """Set the weight to one; nothing is drawn."""
        nn.init.ones_(self.weight)

    def extra_repr(self) -> str:
        """Name the width and eps in the module's repr."""
        return f"{self.weight.shape[0]}, eps={self.eps}"
