"""Declarations of the positions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from blocks import Call, Complaint, Cost, D, Position, Sizes


class RoPE(Position):
    """Rotary position embedding (Su et al. 2021, arXiv:2104.09864, section 3.2), with ways to scale it.

    linear: positions are divided by `factor` (Chen et al. 2023, arXiv:2306.15595).
    llama3: low frequencies are divided by `factor`, high ones kept, between them interpolated
    (Grattafiori et al. 2024, arXiv:2407.21783).
    """

    where = "heads"
    module = "blocks_positions.module:RoPE"
    phrases = ("RoPE", "rotary positions", "rotary")

    theta: float = Field(10000.0, gt=0, description="base of the wavelengths")
    rotary_dim: int | None = Field(None, gt=0, description="channels of a head that rotate; default: all")
    scaling: Literal["none", "linear", "llama3"] = Field(
        "none", description="how longer contexts are reached"
    )
    factor: float | None = Field(None, ge=1, description="how many times longer the context becomes")
    low_freq_factor: float | None = Field(
        None, gt=0, description="llama3: wavelengths above L / this are divided"
    )
    high_freq_factor: float | None = Field(
        None, gt=0, description="llama3: wavelengths below L / this are kept"
    )
    original_max_len: int | None = Field(
        None, gt=0, description="llama3: context L of the unscaled model, in tokens"
    )

    def check(self, sizes: Sizes) -> Iterator[Complaint]:
        rotary = self.rotary_dim or sizes.d_model
        if rotary % 2 or rotary > sizes.d_model:
            yield Complaint(
                "rotary_dim",
                f"RoPE rotates pairs of channels: {rotary} of {sizes.d_model} channels a head cannot be paired",
                help="an even number up to head_dim",
                code="B0314",
            )
        needed = {
            "none": (),
            "linear": ("factor",),
            "llama3": ("factor", "low_freq_factor", "high_freq_factor", "original_max_len"),
        }[self.scaling]
        for name in ("factor", "low_freq_factor", "high_freq_factor", "original_max_len"):
            given = getattr(self, name) is not None
            if given and name not in needed:
                yield Complaint(
                    name,
                    f"{name} has no meaning with scaling: {self.scaling}",
                    help="leave it out, or choose another scaling",
                    code="B0312",
                )
            elif not given and name in needed:
                yield Complaint(
                    "scaling", f"{self.scaling} scaling needs {name}", help=f"add {name}", code="B0202"
                )

    def call(self, width: int) -> Call:
        options: dict[str, Any] = {"theta": self.theta}
        if self.rotary_dim is not None and self.rotary_dim != width:
            options["rotary_dim"] = self.rotary_dim
        if self.scaling == "linear":
            return Call(
                "blocks_positions.module:LinearScaledRoPE", (width,), options | {"factor": self.factor}
            )
        if self.scaling == "llama3":
            names = ("factor", "low_freq_factor", "high_freq_factor", "original_max_len")
            options |= {name: getattr(self, name) for name in names}
            return Call("blocks_positions.module:Llama3RoPE", (width,), options)
        return Call(self.module, (width,), options)


class Learned(Position):
    """A learned vector for each position, added to the embeddings (Gehring et al. 2017, arXiv:1705.03122)."""

    module = "blocks_positions.module:LearnedPositions"
    phrases = ("learned positions", "learned position embeddings")

    max_len: int = Field(2048, gt=0, description="longest context, in tokens")

    def cost(self) -> Cost:
        return Cost(params=self.max_len * D, state_int64=1)


class Sinusoidal(Position):
    """Sines and cosines of the position, added to the embeddings (Vaswani et al. 2017, section 3.5)."""

    module = "blocks_positions.module:SinusoidalPositions"
    phrases = ("sinusoidal positions", "sinusoidal")

    max_period: float = Field(10000.0, gt=0, description="the longest wavelength is 2π times this, in tokens")

    def cost(self) -> Cost:
        return Cost(state_int64=1)
