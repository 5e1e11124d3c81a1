"""Declarations of the norms."""

from __future__ import annotations

from pydantic import Field

from blocks import Call, Cost, D, Kernel, Norm

RMS_NORM = Kernel("blocks_norms.kernels:rms_norm")
ADD_RMS_NORM = Kernel("blocks_norms.kernels:add_rms_norm")


class RMSNorm(Norm):
    """y = x / sqrt(mean(x²) + eps) * weight (Zhang and Sennrich 2019, arXiv:1910.07467, equation 4)."""

    module = "blocks_norms.module:RMSNorm"
    phrases = ("RMSNorm", "RMS norm")
    ops = ("rms_norm", "add_rms_norm")

    eps: float = Field(1e-5, gt=0, description="added to the mean square")

    def cost(self) -> Cost:
        return Cost(params=D)


class LayerNorm(Norm):
    """y = (x - mean) / sqrt(var + eps) * weight + bias (Ba et al. 2016, arXiv:1607.06450)."""

    module = "torch.nn:LayerNorm"
    phrases = ("LayerNorm", "layer norm", "layer normalization")

    eps: float = Field(1e-5, gt=0, description="added to the variance")
    bias: bool = Field(True, description="a learned shift")

    def call(self, width: int) -> Call:
        return Call(self.module, (width,), {"eps": self.eps} | ({} if self.bias else {"bias": False}))

    def cost(self) -> Cost:
        return Cost(params=D + D * self.bias)
