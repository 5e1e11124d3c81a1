"""Retention: the conformance of every mixer, and its three forms against the paper's formulas."""

import pytest
import torch
from blocks_retention.module import Retention as Module
from blocks_retention.module import chunkwise_retention, parallel_retention, recurrent_retention, rotate
from blocks_retention.specs import Retention
from torch import Tensor

from blocks import Sizes
from blocks.testing import conformance

test_conformance = conformance(Retention(n_heads=2, chunk_size=8))
test_conformance_of_odd_sizes = conformance(Retention(n_heads=3, head_dim=6, value_dim=5, chunk_size=16))

B, H, T, P, V, THETA = 2, 3, 21, 6, 5, 10000.0


@pytest.fixture
def inputs() -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values, not rotated yet."""
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(B, H, T, width, generator=generator, dtype=torch.float64) for width in (P, P, V))  # type: ignore[return-value]


def times() -> Tensor:
    return torch.arange(T + 1).expand(B, -1)


def log_gamma() -> Tensor:
    return torch.log1p(-torch.exp2(-5.0 - torch.arange(H, dtype=torch.float64)))


def turned(t: Tensor) -> Tensor:
    return rotate(t, times()[:, None, 1:], THETA)


def paper(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The sum before equation 5, term by term: gamma^(n-m) Re(q_n exp(i n theta) conj(k_m exp(i m theta))) v_m."""
    theta = THETA ** (-torch.arange(0, P, 2, dtype=torch.float64) / P)
    pairs = [torch.view_as_complex(t.unflatten(-1, (-1, 2)).contiguous()) for t in (q, k)]
    out = torch.zeros(B, H, T, V, dtype=torch.float64)
    for h in range(H):
        gamma = 1 - 2.0 ** (-5 - h)
        for n in range(T):
            for m in range(n + 1):
                turn = torch.polar(torch.ones_like(theta), (n - m) * theta)
                score = (pairs[0][:, h, n] * pairs[1][:, h, m].conj() * turn).real.sum(-1)
                out[:, h, n] += gamma ** (n - m) * score[:, None] * v[:, h, m]
    return out


def test_the_parallel_form_is_equation_5(inputs: tuple[Tensor, Tensor, Tensor]) -> None:
    q, k, v = inputs
    got = parallel_retention(turned(q), turned(k), v, times()[:, 1:], log_gamma())
    torch.testing.assert_close(got, paper(q, k, v), rtol=0, atol=1e-12)


def test_the_recurrent_form_is_the_parallel_one(inputs: tuple[Tensor, Tensor, Tensor]) -> None:
    q, k, v = turned(inputs[0]), turned(inputs[1]), inputs[2]
    memory, ys = torch.zeros(B, H, P, V, dtype=torch.float64), []
    for t in range(T):
        here = slice(t, t + 1)
        y, memory = recurrent_retention(
            q[:, :, here], k[:, :, here], v[:, :, here], times()[:, t : t + 2], log_gamma(), memory
        )
        ys.append(y)
    whole = parallel_retention(q, k, v, times()[:, 1:], log_gamma())
    torch.testing.assert_close(torch.cat(ys, dim=2), whole, rtol=0, atol=1e-12)


@pytest.mark.parametrize("chunk_size", [1, 4, 7, 20, 21, 64])
def test_the_chunkwise_form_is_the_parallel_one(
    inputs: tuple[Tensor, Tensor, Tensor], chunk_size: int
) -> None:
    q, k, v = turned(inputs[0]), turned(inputs[1]), inputs[2]
    memory = torch.zeros(B, H, P, V, dtype=torch.float64)
    y, memory = chunkwise_retention(q, k, v, times(), log_gamma(), memory, chunk_size)
    torch.testing.assert_close(
        y, parallel_retention(q, k, v, times()[:, 1:], log_gamma()), rtol=0, atol=1e-12
    )
    decay = (log_gamma()[:, None] * torch.arange(T - 1, -1, -1)).exp()[..., None]
    torch.testing.assert_close(memory, (k * decay).mT @ v, rtol=0, atol=1e-12)


def test_the_module_is_equation_8() -> None:
    """Heads by the paper's sum, each divided by its root mean square, gated by swish, projected."""
    torch.manual_seed(0)
    module = Module(8, n_heads=H, head_dim=P, value_dim=V).double()
    x = torch.randn(B, T, 8, dtype=torch.float64)
    q, k, v, gate = torch.split(module.in_proj(x), [H * P, H * P, H * V, H * V], dim=-1)
    heads = paper(*(t.unflatten(-1, (H, -1)).transpose(1, 2) for t in (q, k / P**0.5, v)))
    normed = torch.nn.functional.rms_norm(heads, (V,), eps=1e-6).transpose(1, 2).flatten(2)
    expected = module.out_proj(gate * torch.sigmoid(gate) * normed)
    torch.testing.assert_close(module(x)[0], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "field", "code"),
    [
        ({"n_heads": 5}, "n_heads", "B0307"),
        ({"n_heads": 64}, "n_heads", "B0302"),
        ({"head_dim": 7}, "head_dim", "B0302"),
    ],
)
def test_sizes_that_cannot_be(options: dict[str, int], field: str, code: str) -> None:
    (found,) = Retention(**options).check(Sizes(64))
    assert (found.field, found.code) == (field, code)
