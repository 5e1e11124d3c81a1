"""Root-mean-square normalisation in plain torch: the reference of the ops `rms_norm` and `add_rms_norm`.

Shape letters: D d_model, `...` any leading axes.
"""

import torch
from torch import Tensor


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """Return x / sqrt(mean(x^2) + eps) * weight over the last axis, in x's dtype.

    x [..., D], weight [D]. Computed in fp32 or better, rounded once.
    Zhang and Sennrich 2019, arXiv:1910.07467, equation 4.
    """
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    # sum / D instead of mean(), whose gradient would divide a tensor of x's size, not one number per token
    mean_square = wide.square().sum(dim=-1, keepdim=True) / x.shape[-1]
    return (wide * torch.rsqrt(mean_square + eps) * weight).to(x.dtype)


def add_rms_norm(x: Tensor, y: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Return (x + y, rms_norm(x + y)): a residual addition and the norm that reads its result."""
    total = x + y
    return total, rms_norm(total, weight, eps)
