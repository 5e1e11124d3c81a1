"""Root-mean-square normalisation as modules."""

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


class UnitOffsetRMSNorm(RMSNorm):
    """The same with a weight that is learned as its difference from one, so that it decays to one.

    Gemma Team 2024, arXiv:2403.08295, and their code: the sum is formed in fp32, whatever the weight's dtype.
    """

    def gain(self) -> Tensor:
        """Return 1 + weight [D], in fp32 or better."""
        return 1 + self.weight.to(torch.promote_types(self.weight.dtype, torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised x [..., D]."""
        return rms_norm(x, self.gain(), self.eps)

    def add(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return (x + y, norm(x + y)), both [..., D]."""
        return add_rms_norm(x, y, self.gain(), self.eps)

    def init_weights(self, generator: torch.Generator) -> None:
        """Set the weight to zero; nothing is drawn."""
        nn.init.zeros_(self.weight)
