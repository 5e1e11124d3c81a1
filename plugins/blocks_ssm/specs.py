"""Declarations of the selective state spaces. H heads, P channels a head, G groups, N state, K convolution."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Self

from pydantic import Field

from blocks import Call, Complaint, Cost, D, Inside, Kernel, Mixer, Op, Saved, Sizes, T, minimum
from blocks.divisors import divisors

CAUSAL_CONV1D = Kernel("blocks_ssm.kernels:causal_conv1d")
SELECTIVE_SCAN = Kernel("blocks_ssm.kernels:selective_scan")
SSD_SCAN = Kernel("blocks_ssm.kernels:ssd_scan")


class Mamba2(Mixer):
    """Structured state-space duality: one scalar decay a head (Dao and Gu 2024, arXiv:2405.21060)."""

    module = "blocks_ssm.module:Mamba2"
    symbol = "M"
    phrases = ("Mamba-2", "Mamba 2", "SSD")
    ops = ("causal_conv1d", "ssd_scan")

    n_heads: int | None = Field(None, gt=0, description="heads; default: 2 d_model / head_dim")
    head_dim: int = Field(64, gt=0, description="channels a head")
    d_state: int = Field(128, gt=0, description="state a channel")
    n_groups: int = Field(1, gt=0, description="groups of heads that share B and C")
    d_conv: int = Field(4, gt=0, description="width of the convolution, in tokens")
    chunk_size: int = Field(64, gt=0, description="tokens computed at once; does not change the result")
    gated_norm: bool = Field(True, description="RMSNorm with a gate before the output projection")
    norm_before_gate: bool = Field(False, description="norm(y) * silu(z) instead of norm(y * silu(z))")
    norm_groups: int | None = Field(None, gt=0, description="groups normalised apart; default: n_groups")
    eps: float = Field(1e-5, gt=0, description="added to the mean square in the norm")
    bias: bool = Field(False, description="biases in both projections")
    conv_bias: bool = Field(True, description="bias in the convolution")
    dt_lower: float | None = Field(
        None, ge=0, description="time steps below this become this, after the softplus; default: none do"
    )
    dt_upper: float | None = Field(
        None, gt=0, description="time steps above this become this, after the softplus; default: none do"
    )

    def capabilities(self) -> frozenset[str]:
        return super().capabilities() | {"packed"}

    def check(self, sizes: Sizes) -> Iterator[Complaint]:
        if self.dt_lower is not None and self.dt_upper is not None and self.dt_lower > self.dt_upper:
            yield Complaint(
                "dt_lower",
                f"dt_lower = {self.dt_lower:g} is above dt_upper = {self.dt_upper:g}",
                label="no time step lies between the two",
                help="exchange them, or leave one out",
                code="B0312",
                related=("dt_upper",),
            )
        if self.n_heads is None and 2 * sizes.d_model % self.head_dim:
            yield Complaint(
                "head_dim",
                f"heads of {self.head_dim} channels do not divide 2 d_model = {2 * sizes.d_model}",
                label=f"{2 * sizes.d_model} / {self.head_dim} = {2 * sizes.d_model / self.head_dim:.2f}",
                help="set n_heads as well: the inner width is n_heads * head_dim then",
                code="B0307",
                related=("d_model",),
            )
            return
        heads = self.bind(sizes).n_heads
        assert heads is not None
        if heads % self.n_groups:
            fits = divisors(heads)
            yield Complaint(
                "n_groups",
                f"{self.n_groups} groups cannot share {heads} heads evenly",
                help=f"n_groups is one of {', '.join(map(str, fits))}",
                code="B0306",
            )
        if self.norm_groups is not None and heads * self.head_dim % self.norm_groups:
            yield Complaint(
                "norm_groups",
                f"{self.norm_groups} groups do not divide the {heads * self.head_dim} channels inside",
                help="n_groups is the usual choice",
                code="B0306",
            )

    def bind(self, sizes: Sizes) -> Self:
        heads = self.n_heads or max(1, 2 * sizes.d_model // self.head_dim)
        return self.model_copy(update={"n_heads": heads, "norm_groups": self.norm_groups or self.n_groups})

    def call(self, width: int) -> Call:
        made = super().call(width)
        options = dict(made.kwargs)
        limit = options.pop("dt_lower"), options.pop("dt_upper")
        return replace(made, kwargs=options if limit == (None, None) else options | {"dt_limit": limit})

    def _sizes(self) -> tuple[Any, Any, Any, Any]:
        """Heads, channels inside, channels of the convolution, channels of the input projection."""
        inner: Any = self.n_heads * self.head_dim if self.n_heads else 2 * D
        heads: Any = self.n_heads or 2 * D / self.head_dim
        conv = inner + 2 * self.n_groups * self.d_state
        return heads, inner, conv, inner + conv + heads

    def cost(self) -> Cost:
        heads, inner, conv, projected = self._sizes()
        weights = D * projected + inner * D
        small = (
            self.bias * (projected + D)
            + conv * self.d_conv
            + self.conv_bias * conv
            + 3 * heads
            + self.gated_norm * inner
        )
        # A chunk of L tokens takes 2L FLOPs a token for C·Bᵀ, once a group, and 2L for its product with x; the
        # state takes 2N a channel to write (B·xᵀ) and 2N to read (C·h): Dao and Gu 2024, section 6. Exact up to
        # one chunk and at whole chunks, an upper bound between. A step writes the state elementwise.
        length, state = minimum(T, self.chunk_size), self.d_state
        scan = 2 * length * (self.n_groups * state + inner) + 4 * inner * state
        return Cost(
            params=weights + small,
            flops=(2 * weights + 2 * self.d_conv * conv + scan) * T,
            step=2 * weights + 2 * inner * state,
            state=(self.d_conv - 1) * conv,
            state_fp32=inner * state,
        )

    def saved(self) -> Saved:
        heads, inner, conv, projected = self._sizes()
        length = minimum(T, self.chunk_size)
        # Inside a chunk decays, mixing weights and their product are L x L for each head, C·Bᵀ for each group, in fp32;
        # a state stays for each chunk. The convolution keeps what it reads and both sides of its activation.
        around = (5 if self.gated_norm else 2) * inner
        return Saved(
            elements=(projected + 3 * conv + around) * T,
            fp32=(length * (3 * heads + self.n_groups) + 3 * inner + 5 * heads) * T
            + inner * self.d_state * T / self.chunk_size,
        )

    def parts(self) -> int:
        return self.n_groups

    def _limits(self) -> str:
        """`, dt from 0.001 to 0.1`."""
        bounds = (("from", self.dt_lower), ("to", self.dt_upper))
        words = [f"{word} {bound:g}" for word, bound in bounds if bound is not None]
        return f", dt {' '.join(words)}" if words else ""

    def inside(self) -> Inside:
        heads, inner, conv, projected = self._sizes()
        small = conv * self.d_conv + self.conv_bias * conv
        ops = [
            Op("in_proj", "linear", ("x",), ("B", "T", projected), D * projected + self.bias * projected),
            Op(
                "conv",
                "conv",
                ("in_proj",),
                ("B", "T", conv),
                small,
                label=f"causal conv {self.d_conv}, silu",
            ),
            Op(
                "scan",
                "scan",
                ("conv", "in_proj"),
                ("B", "T", inner),
                3 * heads,
                label=f"SSD, state {self.d_state}" + self._limits(),
            ),
        ]
        last = "scan"
        if self.gated_norm:
            order = "norm, gate" if self.norm_before_gate else "gate, norm"
            ops.append(Op("norm", "norm", ("scan", "in_proj"), ("B", "T", inner), inner, label=order))
            last = "norm"
        ops.append(Op("out_proj", "linear", (last,), ("B", "T", D), inner * D + self.bias * D))
        return Inside(tuple(ops))


class Mamba(Mixer):
    """Selective state space with a state for each channel (Gu and Dao 2023, arXiv:2312.00752)."""

    module = "blocks_ssm.module:Mamba"
    symbol = "M"
    phrases = ("Mamba", "Mamba-1", "S6")
    ops = ("causal_conv1d", "selective_scan")

    d_inner: int | None = Field(None, gt=0, description="channels inside; default: 2 d_model")
    dt_rank: int | None = Field(
        None, gt=0, description="rank of the time-step projection; default: d_model / 16, rounded up"
    )
    d_state: int = Field(16, gt=0, description="state a channel")
    d_conv: int = Field(4, gt=0, description="width of the convolution, in tokens")
    chunk_size: int = Field(16, gt=0, description="tokens computed at once; does not change the result")
    bias: bool = Field(False, description="biases in both projections")
    conv_bias: bool = Field(True, description="bias in the convolution")

    def capabilities(self) -> frozenset[str]:
        return super().capabilities() | {"packed"}

    def bind(self, sizes: Sizes) -> Self:
        rank = self.dt_rank or -(-sizes.d_model // 16)
        return self.model_copy(update={"d_inner": self.d_inner or 2 * sizes.d_model, "dt_rank": rank})

    def _sizes(self) -> tuple[Any, Any]:
        return self.d_inner or 2 * D, self.dt_rank or D / 16

    def cost(self) -> Cost:
        inner, rank = self._sizes()
        state = self.d_state
        weights = 2 * D * inner + inner * (rank + 2 * state) + rank * inner + inner * D
        small = (
            self.bias * (2 * inner + D) + inner * (self.d_conv + self.conv_bias) + 2 * inner + inner * state
        )
        read = 2 * inner * state  # C·h; the recurrence itself is elementwise
        return Cost(
            params=weights + small,
            flops=(2 * weights + 2 * self.d_conv * inner + read) * T,
            step=2 * weights + read,
            state=(self.d_conv - 1) * inner,
            state_fp32=inner * state,
        )

    def saved(self) -> Saved:
        inner, rank = self._sizes()
        state = self.d_state
        # Chunks are computed again in the backward pass: their inputs and the state before each one stay.
        return Saved(
            elements=(7 * inner + rank + 2 * state) * T,
            fp32=(3 * inner + 2 * state) * T + inner * state * T / self.chunk_size,
        )

    def inside(self) -> Inside:
        inner, rank = self._sizes()
        state = self.d_state
        conv = inner * (self.d_conv + self.conv_bias)
        return Inside(
            (
                Op("in_proj", "linear", ("x",), ("B", "T", 2 * inner), 2 * D * inner + self.bias * 2 * inner),
                Op("conv", "conv", ("in_proj",), ("B", "T", inner), conv, label=f"causal conv {self.d_conv}, silu"),
                Op("x_proj", "linear", ("conv",), ("B", "T", rank + 2 * state), inner * (rank + 2 * state)),
                Op("dt_proj", "linear", ("x_proj",), ("B", "T", inner), rank * inner + inner),
                Op(
                    "scan", "scan", ("conv", "x_proj", "dt_proj"), ("B", "T", inner), inner * state + inner,
                    label=f"selective scan, state {state}",
                ),
                Op("gate", "gate", ("scan", "in_proj"), ("B", "T", inner), label="silu gate"),
                Op("out_proj", "linear", ("gate",), ("B", "T", D), inner * D + self.bias * D),
            )
        )  # fmt: skip
