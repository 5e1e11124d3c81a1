"""Attention written out, one query and one head at a time, and toy positions."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

P = 8


class Distances(nn.Module):
    """A learned bias of each head for the sign and the logarithm of the distance."""

    def __init__(self, n_heads: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2, n_heads))

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        distance = (queries[..., :, None] - keys[..., None, :]).to(self.weight.dtype)
        ahead, behind = distance.clamp(max=0).neg().log1p(), distance.clamp(min=0).log1p()
        bias = ahead[..., None] * self.weight[0] + behind[..., None] * self.weight[1]
        return bias.movedim(-1, -3)


class Waves(nn.Module):
    """Sines of the position, as `encode` gives them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("speed", torch.linspace(0.1, 2, width))

    def encode(self, positions: Tensor) -> Tensor:
        return torch.sin(positions[..., None] * self.speed)


def written_out(
    module: Any,
    x: Tensor,
    sees: Callable[[int, int], bool],
    mask: Tensor | None = None,
) -> Tensor:
    """The definition: rows without their padding, zeros at padding; `sees` takes the places of query and key."""
    mask = torch.ones(x.shape[:2], dtype=torch.bool) if mask is None else mask
    y = torch.zeros_like(x)
    for row, real in zip(range(len(x)), mask, strict=True):
        y[row, real] = _row(module, x[row, real], sees)
    return y


def _row(module: Any, x: Tensor, sees: Callable[[int, int], bool]) -> Tensor:
    n, H, K = len(x), module.n_heads, module.n_kv_heads
    at = torch.arange(n)
    placed = x + module.position.encode(at) if module.position_at == "stream" else x
    sizes = [H * P, K * P, K * P]
    weights = module.qkv_proj.weight.split(sizes)
    biases = [0, 0, 0] if module.qkv_proj.bias is None else module.qkv_proj.bias.split(sizes)
    q, k, v = (
        (rows @ weight.T + bias).unflatten(-1, (-1, P))
        for rows, weight, bias in zip((placed, placed, x), weights, biases, strict=True)
    )
    if module.q_norm is not None and module.norm_over == "projection":
        q, k = (norm(z.flatten(1)).view(z.shape) for norm, z in ((module.q_norm, q), (module.k_norm, k)))
    elif module.q_norm is not None:
        q, k = module.q_norm(q), module.k_norm(k)
    if module.position_at == "heads":
        q, k = (z[0] for z in module.position(q[None], k[None], at))
    scale = P**-0.5 if module.score_scale is None else module.score_scale
    bias = torch.zeros(H, n, n, dtype=x.dtype)
    if module.position_at == "scores":
        for t in range(n):
            for j in range(n):
                bias[:, t, j] = module.position(at[t : t + 1], at[j : j + 1])[:, 0, 0]
    y = torch.zeros(n, H, P, dtype=x.dtype)
    for t in range(n):
        seen = [j for j in range(n) if sees(t, j)]
        for h in range(H):
            scores = scale * (k[seen, h * K // H] @ q[t, h])
            if module.score_cap is not None:
                scores = module.score_cap * torch.tanh(scores / module.score_cap)
            y[t, h] = torch.softmax(scores + bias[h, t, seen], dim=0) @ v[seen, h * K // H]
    return module.out_proj(y.flatten(1))


@pytest.fixture(scope="session")
def definition() -> Callable[..., Tensor]:
    return written_out


@pytest.fixture(scope="session")
def distances() -> type[Distances]:
    return Distances


@pytest.fixture(scope="session")
def waves() -> type[Waves]:
    return Waves
