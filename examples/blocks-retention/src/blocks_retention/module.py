"""Multi-scale retention (Sun et al. 2023, arXiv:2307.08621) in its parallel, recurrent and chunkwise forms.

Shape letters: B batch, T tokens in this call, L tokens of a chunk, D d_model, H heads, P head_dim (queries and
keys), V value_dim. Time is counted in real tokens, so that padding neither fades the memory nor turns a key.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._higher_order_ops.scan import scan


class RetentionState(NamedTuple):
    """What retention remembers: its size does not grow with the context."""

    memory: Tensor  # [B, H, P, V], the fading sum of key-value products; fp32, or fp64 for fp64 inputs
    seen: Tensor  # int64 [B], real tokens so far


class Retention(nn.Module):
    """Gated multi-scale retention, equation 8: W_O (swish(x W_G) * norm(heads)).

    Head h fades by gamma_h = 1 - 2^(-5-h) a token. Each head's output is divided by its root mean square, so
    that scale factors on the scores (section 2.2, retention score normalisation) would change nothing but the
    weight of `eps`; of those, 1 / sqrt(P) is applied. `in_proj` holds the rows of q, k, v, then the gate.

    forward(x, state=None, mask=None) -> (y, state): x and y [B, T, D], mask bool [B, T], true at real tokens.
    """

    def __init__(
        self,
        d_model: int,
        *,
        n_heads: int,
        head_dim: int,
        value_dim: int,
        theta: float = 10000.0,
        eps: float = 1e-6,
        chunk_size: int = 64,
    ) -> None:
        super().__init__()
        self.n_heads, self.head_dim, self.value_dim = n_heads, head_dim, value_dim
        self.theta, self.eps, self.chunk_size = theta, eps, chunk_size
        keys, values = n_heads * head_dim, n_heads * value_dim
        self.split_proj = [keys, keys, values, values]
        self.in_proj = nn.Linear(d_model, sum(self.split_proj), bias=False)
        self.out_proj = nn.Linear(values, d_model, bias=False)

    def forward(
        self, x: Tensor, state: RetentionState | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, RetentionState]:
        if mask is not None and mask.dtype != torch.bool:
            raise ValueError("retention does not keep packed documents apart: mask has to be bool")
        B, T, _ = x.shape
        dtype = torch.promote_types(x.dtype, torch.float32)
        if state is None:
            memory = x.new_zeros(B, self.n_heads, self.head_dim, self.value_dim, dtype=dtype)
            state = RetentionState(memory, torch.zeros(B, dtype=torch.int64, device=x.device))
        real = torch.ones(B, T, dtype=torch.bool, device=x.device) if mask is None else mask
        times = torch.cat(
            (state.seen[:, None], state.seen[:, None] + real.cumsum(dim=1)), dim=1
        )  # [B, 1 + T]

        q, k, v, gate = torch.split(self.in_proj(x), self.split_proj, dim=-1)
        q, k, v = (torch.unflatten(t, -1, (self.n_heads, -1)).transpose(1, 2).to(dtype) for t in (q, k, v))
        k = k.masked_fill(~real[:, None, :, None], 0.0) * self.head_dim**-0.5
        q, k = (rotate(t, times[:, None, 1:], self.theta) for t in (q, k))
        log_gamma = torch.log1p(-torch.exp2(-5.0 - torch.arange(self.n_heads, device=x.device, dtype=dtype)))

        if T == 1:
            y, memory = recurrent_retention(q, k, v, times, log_gamma, state.memory)
        else:
            y, memory = chunkwise_retention(q, k, v, times, log_gamma, state.memory, self.chunk_size)
        y = y * torch.rsqrt(y.square().mean(dim=-1, keepdim=True) + self.eps)
        y = y.transpose(1, 2).flatten(2).to(x.dtype)  # [B, T, H V]
        return self.out_proj(F.silu(gate) * y), RetentionState(memory, times[:, -1])


def rotate(x: Tensor, times: Tensor, theta: float) -> Tensor:
    """Turn channels 2i and 2i + 1 of x [B, H, T, P] by times * theta^(-2i/P); times int64 [B, 1, T].

    The factors exp(i n theta) of equation 5. A query at time n and a key at time m meet with the difference.
    """
    exponent = torch.arange(0, x.shape[-1], 2, device=x.device, dtype=x.dtype) / x.shape[-1]
    angle = times.to(x.dtype)[..., None] * torch.pow(theta, -exponent)  # [B, 1, T, P/2]
    cos, sin = angle.cos(), angle.sin()
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1).flatten(-2)


def fade(log_gamma: Tensor, elapsed: Tensor) -> Tensor:
    """gamma_h ** elapsed as [B, H, ...]; log_gamma [H], elapsed int64 [B, ...], not negative."""
    rates = log_gamma.view(-1, *[1] * (elapsed.ndim - 1))
    return (rates * elapsed[:, None].to(rates.dtype)).exp()


def parallel_retention(q: Tensor, k: Tensor, v: Tensor, times: Tensor, log_gamma: Tensor) -> Tensor:
    """(Q K^T * D) V with D_nm = gamma^(n - m) for n >= m, else 0: equation 5.

    q and k [B, H, L, P], k zero at padding; v [B, H, L, V]; times int64 [B, L]; returns [B, H, L, V].
    """
    elapsed = (times[:, :, None] - times[:, None, :]).clamp(min=0)  # the clamp touches m > n only
    return ((q @ k.mT) * fade(log_gamma, elapsed).tril()) @ v


def recurrent_retention(
    q: Tensor, k: Tensor, v: Tensor, times: Tensor, log_gamma: Tensor, memory: Tensor
) -> tuple[Tensor, Tensor]:
    """S_n = gamma S_(n-1) + K_n^T V_n and Q_n S_n for one token: equation 6.

    q and k [B, H, 1, P], v [B, H, 1, V], times int64 [B, 2]: of the memory [B, H, P, V] and of the token.
    """
    memory = fade(log_gamma, times[:, 1:] - times[:, :1])[..., None] * memory + k.mT * v
    return q @ memory, memory


def chunkwise_retention(
    q: Tensor, k: Tensor, v: Tensor, times: Tensor, log_gamma: Tensor, memory: Tensor, chunk_size: int
) -> tuple[Tensor, Tensor]:
    """Equation 7: parallel inside a chunk, recurrent from chunk to chunk.

    Shapes as for `recurrent_retention` with T tokens and times [B, 1 + T]. Returns y [B, H, T, V] and the memory.
    """

    def chunk(memory: Tensor, q: Tensor, k: Tensor, v: Tensor, now: Tensor) -> tuple[Tensor, Tensor]:
        start, end, now = (
            now[:, :1],
            now[:, -1:],
            now[:, 1:],
        )  # now [B, 1 + L]: the time before, then of each token
        entering = (q @ memory) * fade(log_gamma, now - start)[..., None]
        added = (k * fade(log_gamma, end - now)[..., None]).mT @ v
        memory = fade(log_gamma, end - start)[..., None] * memory + added
        return memory, parallel_retention(q, k, v, now, log_gamma) + entering

    T, L = q.shape[2], chunk_size
    ys = [v[:, :, :0]]
    if not torch.compiler.is_compiling():
        for start in range(0, T, L):
            parts = (t[:, :, start : start + L] for t in (q, k, v))
            memory, y = chunk(memory, *parts, times[:, start : start + L + 1])
            ys.append(y)
        return torch.cat(ys, dim=2), memory

    # One operator over chunks filled up with padding, at which no time passes: one graph serves every T.
    q, k, v = (F.pad(t, (0, 0, 0, 2 * L)) for t in (q, k, v))
    times = torch.cat((times, times[:, -1:].expand(-1, 2 * L)), dim=1)
    places = torch.arange(L + 1, device=q.device)

    def at(memory: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
        parts = (t.index_select(2, start + places[:-1]) for t in (q, k, v))
        memory, y = chunk(memory, *parts, times.index_select(1, start + places))
        return memory.contiguous(), y.contiguous()

    result: Any = scan(at, memory.contiguous(), torch.arange(0, T + L, L, device=q.device))
    y = result[1].permute(1, 2, 0, 3, 4).flatten(2, 3)  # [N, B, H, L, V] -> [B, H, N L, V]
    return y[:, :, :T], result[0]
