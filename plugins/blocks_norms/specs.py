"""Declarations of the norms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from blocks import Call, Cost, D, Kernel, Norm

RMS_NORM = Kernel("blocks_norms.kernels:rms_norm")
ADD_RMS_NORM = Kernel("blocks_norms.kernels:add_rms_norm")


class RMSNorm(Norm):
    """y = x / sqrt(mean(x²) + eps) * weight (Zhang and Sennrich 2019, arXiv:1910.07467, equation 4)."""

    module = "blocks_norms.module:RMSNorm"
    phrases = ("RMSNorm", "RMS norm", "RMS normalization", "RMS layer norm")
    adjectives: ClassVar[Mapping[str, Mapping[str, bool]]] = {
        "unit-offset": {"unit_offset": True},
        "zero-centred": {"unit_offset": True},
        "zero-centered": {"unit_offset": True},
    }
    ops = ("rms_norm", "add_rms_norm")

    eps: float = Field(1e-5, gt=0, description="added to the mean square")
    unit_offset: bool = Field(False, description="x is scaled by 1 + weight, which starts at zero (Gemma)")

    def call(self, width: int) -> Call:
        target = "blocks_norms.module:UnitOffsetRMSNorm" if self.unit_offset else self.module
        return Call(target, (width,), {"eps": self.eps})

    def cost(self) -> Cost:
        return Cost(params=D)


class LayerNorm(Norm):
    """y = (x - mean) / sqrt(var + eps) * weight + bias (Ba et al. 2016, arXiv:1607.06450)."""

    module = "torch.nn:LayerNorm"
    phrases = ("LayerNorm", "layer norm", "layer normalization", "LN")

    eps: float = Field(1e-5, gt=0, description="added to the variance")
    bias: bool = Field(True, description="a learned shift")

    def call(self, width: int) -> Call:
        return Call(self.module, (width,), {"eps": self.eps} | ({} if self.bias else {"bias": False}))

    def cost(self) -> Cost:
        return Cost(params=D + D * self.bias)
