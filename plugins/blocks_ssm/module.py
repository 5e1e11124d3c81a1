"""Selective state-space mixers: Mamba-2 (state-space duality) and Mamba (selective scan).

Shape letters: B batch, T tokens, D d_model, H heads, P head_dim, G groups, N d_state, I inner width (H P),
C channels of the convolution, K its width.
"""

import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .kernels import (
    causal_conv1d,
    packed_conv1d,
    packed_selective_scan,
    packed_ssd_scan,
    selective_scan,
    selective_step,
    ssd_scan,
    ssd_step,
)


class SSMState(NamedTuple):
    """What a state-space mixer remembers: its size does not grow with the context."""

    tail: Tensor  # [B, K-1, C] the last inputs of the convolution, in the dtype of x
    ssm: Tensor  # [B, H, P, N], or [B, I, N] in Mamba; fp32, or fp64 for fp64 inputs


class Mamba2(nn.Module):
    """Mamba-2: one projection to gate, x, B, C and dt; short convolution; SSD; gated RMSNorm; projection.

    Dao and Gu, 2024, arXiv:2405.21060, figure 6, right. `norm_before_gate` chooses norm(y)·silu(z) over
    norm(y·silu(z)), which the published weights use; `norm_groups` normalises that many equal parts each by
    itself; `dt_limit` clamps dt after the softplus, None is no bound. Raises ValueError for sizes that do not
    divide.

    forward(x, state=None, mask=None) -> (y, state): x and y [B, T, D], mask bool [B, T], true at real tokens,
    or int64, their documents, each of which starts anew. Raises ValueError for documents with a state; they
    leave none.
    """

    no_weight_decay = ("A_log", "D", "dt_bias")  # as the authors' mamba_ssm marks them

    def __init__(
        self,
        d_model: int,
        *,
        n_heads: int,
        head_dim: int = 64,
        d_state: int = 128,
        n_groups: int = 1,
        d_conv: int = 4,
        chunk_size: int = 64,
        gated_norm: bool = True,
        norm_before_gate: bool = False,
        norm_groups: int = 1,
        eps: float = 1e-5,
        bias: bool = False,
        conv_bias: bool = True,
        dt_min: float = 1e-3,
        dt_max: float = 1e-1,
        dt_floor: float = 1e-4,
        dt_limit: tuple[float | None, float | None] = (None, None),
        a_range: tuple[float, float] = (1.0, 16.0),
    ) -> None:
        super().__init__()
        d_inner, d_bc = n_heads * head_dim, n_groups * d_state
        if n_heads % n_groups:
            raise ValueError(f"n_groups = {n_groups} does not divide n_heads = {n_heads}")
        if d_inner % norm_groups:
            raise ValueError(f"norm_groups = {norm_groups} does not divide n_heads * head_dim = {d_inner}")
        self.n_heads, self.head_dim, self.n_groups, self.chunk_size = n_heads, head_dim, n_groups, chunk_size
        self.dt_limit = dt_limit
        self.init_ranges = (dt_min, dt_max, dt_floor), a_range
        self.split_proj = [d_inner, d_inner + 2 * d_bc, n_heads]  # z, the input of the convolution, dt
        self.split_conv = [d_inner, d_bc, d_bc]  # x, B, C
        self.in_proj = nn.Linear(d_model, sum(self.split_proj), bias=bias)
        self.conv_weight = nn.Parameter(torch.empty(d_inner + 2 * d_bc, d_conv))
        self.conv_bias = nn.Parameter(torch.empty(d_inner + 2 * d_bc)) if conv_bias else None
        self.dt_bias = nn.Parameter(torch.empty(n_heads))
        self.A_log = nn.Parameter(torch.empty(n_heads))
        self.D = nn.Parameter(torch.empty(n_heads))
        self.norm = GatedRMSNorm(d_inner, norm_groups, norm_before_gate, eps) if gated_norm else None
        self.out_proj = nn.Linear(d_inner, d_model, bias=bias)

    def forward(
        self, x: Tensor, state: SSMState | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, SSMState | None]:
        tail, ssm = (None, None) if state is None else state
        real, starts = split_mask(mask, state)
        z, xbc, dt = torch.split(self.in_proj(x), self.split_proj, dim=-1)
        xbc, tail = short_convolution(xbc, self.conv_weight, self.conv_bias, tail, real, starts)
        dt = F.softplus(at_least_fp32(dt) + self.dt_bias)
        if self.dt_limit != (None, None):
            dt = dt.clamp(*self.dt_limit)
        if real is not None:
            dt = dt * real[..., None]  # padding feeds nothing and decays nothing
        A = -at_least_fp32(self.A_log).exp()

        x, B, C = torch.split(xbc, self.split_conv, dim=-1)
        x = torch.unflatten(x, -1, (self.n_heads, self.head_dim))  # [B, T, H, P]
        B, C = (torch.unflatten(t, -1, (self.n_groups, -1)) for t in (B, C))  # [B, T, G, N]
        if starts is not None:
            y = packed_ssd_scan(x, dt, A, B, C, starts, self.chunk_size)
        elif ssm is not None and x.shape[1] == 1:
            y, ssm = ssd_step(x[:, 0], dt[:, 0], A, B[:, 0], C[:, 0], ssm)
            y = y[:, None]
        else:
            y, ssm = ssd_scan(x, dt, A, B, C, ssm, self.chunk_size)
        y = torch.addcmul(y, x, self.D[:, None]).flatten(2)
        y = y * F.silu(z) if self.norm is None else self.norm(y, z)
        if tail is None or ssm is None:
            return self.out_proj(y), None
        return self.out_proj(y), SSMState(tail, ssm)

    @torch.no_grad()
    def init_weights(self, generator: torch.Generator) -> None:
        """As the authors' mamba_ssm: -A uniform in a_range, dt log-uniform in [dt_min, dt_max]."""
        dt_range, (low, high) = self.init_ranges
        fill_conv(self.conv_weight, self.conv_bias, generator)
        fill_dt_bias(self.dt_bias, *dt_range, generator)
        self.A_log.copy_((low + (high - low) * torch.rand(self.n_heads, generator=generator)).log())
        self.D.fill_(1.0)


class Mamba(nn.Module):
    """Mamba: gate and x; short convolution; dt, B and C read off x; selective scan; gate; projection.

    Gu and Dao, 2023, arXiv:2312.00752, figure 3 and algorithm 2.

    forward(x, state=None, mask=None) -> (y, state): x and y [B, T, D], mask bool [B, T], true at real tokens,
    or int64, their documents, each of which starts anew. Raises ValueError for documents with a state; they
    leave none.
    """

    no_weight_decay = ("A_log", "D", "dt_proj_bias")  # as the authors' mamba_ssm marks them

    def __init__(
        self,
        d_model: int,
        *,
        d_inner: int,
        dt_rank: int,
        d_state: int = 16,
        d_conv: int = 4,
        chunk_size: int = 16,
        bias: bool = False,
        conv_bias: bool = True,
        dt_min: float = 1e-3,
        dt_max: float = 1e-1,
        dt_floor: float = 1e-4,
    ) -> None:
        super().__init__()
        self.chunk_size = chunk_size
        self.init_range = dt_min, dt_max, dt_floor
        self.split_x = [dt_rank, d_state, d_state]  # dt before its projection, B, C
        self.in_proj = nn.Linear(d_model, 2 * d_inner, bias=bias)
        self.conv_weight = nn.Parameter(torch.empty(d_inner, d_conv))
        self.conv_bias = nn.Parameter(torch.empty(d_inner)) if conv_bias else None
        self.x_proj = nn.Linear(d_inner, sum(self.split_x), bias=False)
        self.dt_proj_weight = nn.Parameter(torch.empty(d_inner, dt_rank))
        self.dt_proj_bias = nn.Parameter(torch.empty(d_inner))
        self.A_log = nn.Parameter(torch.empty(d_inner, d_state))
        self.D = nn.Parameter(torch.empty(d_inner))
        self.out_proj = nn.Linear(d_inner, d_model, bias=bias)

    def forward(
        self, x: Tensor, state: SSMState | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, SSMState | None]:
        tail, ssm = (None, None) if state is None else state
        real, starts = split_mask(mask, state)
        x, z = self.in_proj(x).chunk(2, dim=-1)
        x, tail = short_convolution(x, self.conv_weight, self.conv_bias, tail, real, starts)
        dt, B, C = torch.split(self.x_proj(x), self.split_x, dim=-1)
        dt = F.softplus(at_least_fp32(F.linear(dt, self.dt_proj_weight)) + self.dt_proj_bias)
        if real is not None:
            dt = dt * real[..., None]  # padding feeds nothing and decays nothing
        A = -at_least_fp32(self.A_log).exp()
        if starts is not None:
            y = packed_selective_scan(x, dt, A, B, C, starts, self.chunk_size)
        elif ssm is not None and x.shape[1] == 1:
            y, ssm = selective_step(x[:, 0], dt[:, 0], A, B[:, 0], C[:, 0], ssm)
            y = y[:, None]
        else:
            y, ssm = selective_scan(x, dt, A, B, C, ssm, self.chunk_size)
        y = torch.addcmul(y, x, self.D) * F.silu(z)
        if tail is None or ssm is None:
            return self.out_proj(y), None
        return self.out_proj(y), SSMState(tail, ssm)

    @torch.no_grad()
    def init_weights(self, generator: torch.Generator) -> None:
        """As the authors' mamba_ssm: A = -1 … -N in every channel (S4D-real), dt log-uniform."""
        fill_conv(self.conv_weight, self.conv_bias, generator)
        fill_uniform(self.dt_proj_weight, self.dt_proj_weight.shape[1] ** -0.5, generator)
        fill_dt_bias(self.dt_proj_bias, *self.init_range, generator)
        A = torch.arange(1, self.A_log.shape[1] + 1, dtype=torch.float32)
        self.A_log.copy_(A.log().expand(self.A_log.shape))
        self.D.fill_(1.0)


class GatedRMSNorm(nn.Module):
    """RMSNorm of y with the gate silu(z), before or after it, over `groups` equal parts; y and z [..., I]."""

    def __init__(self, width: int, groups: int, norm_before_gate: bool, eps: float) -> None:
        super().__init__()
        self.groups, self.norm_before_gate, self.eps = groups, norm_before_gate, eps
        self.weight = nn.Parameter(torch.empty(width))

    def forward(self, y: Tensor, z: Tensor) -> Tensor:
        gate = F.silu(z)
        if self.norm_before_gate:
            return self.normalise(y) * gate
        return self.normalise(y * gate)

    def normalise(self, y: Tensor) -> Tensor:
        parts = torch.unflatten(y, -1, (self.groups, -1))
        return F.rms_norm(parts, parts.shape[-1:], eps=self.eps).flatten(-2) * self.weight

    @torch.no_grad()
    def init_weights(self, generator: torch.Generator) -> None:
        self.weight.fill_(1.0)


def split_mask(mask: Tensor | None, state: Any) -> tuple[Tensor | None, Tensor | None]:
    """Return bool [B, T], true at real tokens, or None, and of packed documents where each one starts.

    A mask of int64 numbers the documents from 1 on, 0 at padding; a document is a run of one number, which
    padding does not end. Raises ValueError for documents and a state: they are given whole.
    """
    if mask is None or mask.dtype == torch.bool:
        return mask, None
    if state is not None:
        raise ValueError("packed documents are given whole, without a state: start with state=None")
    return mask > 0, document_starts(mask)


def document_starts(documents: Tensor) -> Tensor:
    """Return bool [B, T], true at the first token of each document; documents int64 [B, T], 0 at padding."""
    place = torch.arange(documents.shape[1], device=documents.device)
    latest = torch.where(documents > 0, place, 0).cummax(dim=1).values  # the last real token up to each
    before = documents.gather(1, latest)[:, :-1]
    before = torch.cat((torch.zeros_like(documents[:, :1]), before), dim=1)
    return (documents > 0) & (documents != before)


def short_convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    tail: Tensor | None,
    mask: Tensor | None,
    starts: Tensor | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Causal convolution and silu of x [B, T, C] over real tokens only; y and the next tail [B, K-1, C].

    With a mask the padding is sorted to the front of the tail, so that every real token meets the K - 1 real
    tokens before it, wherever the padding stands and however the sequence is cut into calls. With `starts`
    of documents only those of its own, and there is no tail, neither before nor after.
    """
    (b, T, C), K = x.shape, weight.shape[1]
    if mask is not None and starts is not None:
        order = mask.int().argsort(dim=1, stable=True)
        index = order[..., None].expand_as(x)
        y = packed_conv1d(x.gather(1, index), weight, bias, starts.gather(1, order))
        return torch.empty_like(y).scatter(1, index, y), None
    if tail is None:
        tail = x.new_zeros(b, K - 1, C)
    if mask is None:
        recent = x if torch.compiler.is_compiling() else x[:, max(T - (K - 1), 0) :]  # T may be symbolic
        return causal_conv1d(x, weight, bias, tail), torch.cat([tail, recent], dim=1)[:, recent.shape[1] :]
    real = torch.cat([mask.new_ones(b, K - 1), mask], dim=1)
    order = real.int().argsort(dim=1, stable=True)
    seen = torch.cat([tail, x], dim=1).gather(1, order[..., None].expand(-1, -1, C))
    y = causal_conv1d(seen[:, K - 1 :], weight, bias, seen[:, : K - 1])
    back = (order.argsort(dim=1)[:, K - 1 :] - (K - 1)).clamp(min=0)
    return y.gather(1, back[..., None].expand(-1, -1, C)), seen[:, T:]


def at_least_fp32(t: Tensor) -> Tensor:
    """Half precision is too coarse for decays; fp32 and fp64 stay as they are."""
    return t.to(torch.promote_types(t.dtype, torch.float32))


def fill_uniform(weight: Tensor, bound: float, generator: torch.Generator) -> None:
    """Uniform in [-bound, bound], drawn on the CPU in fp32 whatever the device and dtype of the weight."""
    weight.copy_((2 * torch.rand(weight.shape, generator=generator) - 1) * bound)


def fill_conv(weight: Tensor, bias: Tensor | None, generator: torch.Generator) -> None:
    """As nn.Conv1d does: uniform in ±1/sqrt(K), a depthwise tap having K inputs."""
    bound = weight.shape[1] ** -0.5
    fill_uniform(weight, bound, generator)
    if bias is not None:
        fill_uniform(bias, bound, generator)


def fill_dt_bias(bias: Tensor, low: float, high: float, floor: float, generator: torch.Generator) -> None:
    """The inverse of softplus at dt log-uniform in [low, high]: softplus(bias) = dt."""
    log_dt = math.log(low) + torch.rand(bias.shape, generator=generator) * math.log(high / low)
    dt = log_dt.exp().clamp(min=floor)
    bias.copy_(dt + (-torch.expm1(-dt)).log())
