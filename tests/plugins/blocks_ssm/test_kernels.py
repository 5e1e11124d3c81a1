"""The chunked operations against the recurrences as the papers write them, token by token."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from blocks_ssm.kernels import causal_conv1d, selective_scan, selective_step, ssd_scan, ssd_step

Inputs = tuple[Tensor, ...]


def ssd_inputs(
    T: int, H: int = 4, G: int = 2, P: int = 3, N: int = 5, dtype: torch.dtype = torch.float64
) -> Inputs:
    torch.manual_seed(T)
    dt, A = F.softplus(torch.randn(2, T, H, dtype=dtype)), -torch.rand(H, dtype=dtype) * 4
    B, C = torch.randn(2, 2, T, G, N, dtype=dtype)
    return torch.randn(2, T, H, P, dtype=dtype), dt, A, B, C, torch.randn(2, H, P, N, dtype=dtype)


def selective_inputs(T: int, C: int = 6, N: int = 4, dtype: torch.dtype = torch.float64) -> Inputs:
    torch.manual_seed(T)
    x, dt = torch.randn(2, T, C, dtype=dtype), F.softplus(torch.randn(2, T, C, dtype=dtype))
    B, C_ = torch.randn(2, 2, T, N, dtype=dtype)
    return x, dt, -torch.rand(C, N, dtype=dtype) * 4, B, C_, torch.randn(2, C, N, dtype=dtype)


def ssd_oracle(x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    """h_t = exp(dt_t A) h_{t-1} + dt_t x_t B_tᵀ, y_t = h_t C_t, every head with the B and C of its group."""
    heads = x.shape[2] // B.shape[2]
    B, C = B.repeat_interleave(heads, dim=2), C.repeat_interleave(heads, dim=2)
    ys = []
    for t in range(x.shape[1]):
        decay = torch.exp(dt[:, t] * A)[..., None, None]
        h = decay * h + dt[:, t, :, None, None] * x[:, t, :, :, None] * B[:, t, :, None, :]
        ys.append((h * C[:, t, :, None, :]).sum(-1))
    return (torch.stack(ys, 1) if ys else x), h


def selective_oracle(
    x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, h: Tensor
) -> tuple[Tensor, Tensor]:
    """h_t = exp(dt_t A) h_{t-1} + dt_t B_t x_t, y_t = C_t·h_t."""
    ys = []
    for t in range(x.shape[1]):
        h = torch.exp(dt[:, t, :, None] * A) * h + (dt[:, t] * x[:, t])[..., None] * B[:, t, None]
        ys.append((h * C[:, t, None]).sum(-1))
    return (torch.stack(ys, 1) if ys else x), h


SCANS = [
    pytest.param(ssd_scan, ssd_oracle, ssd_inputs, id="ssd"),
    pytest.param(selective_scan, selective_oracle, selective_inputs, id="selective"),
]


def assert_same(ours: Inputs, theirs: Inputs, tolerance: float = 1e-12) -> None:
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("T", [0, 1, 2, 7, 31, 64, 67])
@pytest.mark.parametrize("chunk_size", [1, 3, 16, 64, 100])
@pytest.mark.parametrize(("scan", "oracle", "inputs"), SCANS)
def test_scan_is_the_recurrence_whatever_the_chunk_length(scan, oracle, inputs, chunk_size, T):
    *args, state = inputs(T)
    assert_same(scan(*args, state, chunk_size), oracle(*args, state))
    assert_same(scan(*args, None, chunk_size), oracle(*args, torch.zeros_like(state)))


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_ssd_heads_share_the_b_and_c_of_their_group(groups):
    *args, state = ssd_inputs(19, G=groups)
    assert_same(ssd_scan(*args, state, 8), ssd_oracle(*args, state))


@pytest.mark.parametrize(("scan", "oracle", "inputs"), SCANS)
def test_gradients_are_those_of_the_recurrence(scan, oracle, inputs):
    args = tuple(t.requires_grad_() for t in inputs(13))
    grads = []
    for y, state in (scan(*args, 5), oracle(*args)):
        torch.manual_seed(0)
        loss = (y * torch.randn_like(y)).sum() + (state * torch.randn_like(state)).sum()
        grads.append(torch.autograd.grad(loss, args))
    assert_same(*grads, tolerance=1e-10)


@pytest.mark.parametrize(("scan", "oracle", "inputs"), SCANS)
def test_strong_decay_neither_overflows_nor_spoils_gradients(scan, oracle, inputs):
    x, dt, A, B, C, state = inputs(33, dtype=torch.float32)
    dt = (dt * 1000).requires_grad_()
    y, h = scan(x, dt, A, B, C, state)
    assert_same((y, h), oracle(x, dt, A, B, C, state), tolerance=1e-4)
    (grad,) = torch.autograd.grad(y.sum() + h.sum(), dt)
    assert grad.isfinite().all()


@pytest.mark.parametrize(("scan", "oracle", "inputs"), SCANS)
def test_zero_dt_passes_a_token_over(scan, oracle, inputs):
    x, dt, A, B, C, state = inputs(10)
    dt[:, 4:7] = 0
    kept = [0, 1, 2, 3, 7, 8, 9]
    y, h = scan(x, dt, A, B, C, state, 4)
    short = scan(x[:, kept], dt[:, kept], A, B[:, kept], C[:, kept], state, 4)
    assert_same((y[:, kept], h), short)


@pytest.mark.parametrize(
    ("scan", "step", "inputs"),
    [(ssd_scan, ssd_step, ssd_inputs), (selective_scan, selective_step, selective_inputs)],
)
def test_step_is_the_scan_of_one_token(scan, step, inputs):
    x, dt, A, B, C, state = inputs(1)
    before = state.clone()
    y, h = step(x[:, 0], dt[:, 0], A, B[:, 0], C[:, 0], state)
    assert_same((y[:, None], h), scan(x, dt, A, B, C, state))
    assert torch.equal(state, before)


@pytest.mark.parametrize(("scan", "oracle", "inputs"), SCANS)
def test_half_precision_keeps_its_state_in_fp32(scan, oracle, inputs):
    x, dt, A, B, C, _ = inputs(40, dtype=torch.float32)
    half = [t.bfloat16() for t in (x, B, C)]
    y, h = scan(half[0], dt, A, *half[1:])
    assert (y.dtype, h.dtype) == (torch.bfloat16, torch.float32)
    expected = scan(half[0].float(), dt, A, half[1].float(), half[2].float())
    assert_same((y, h), (expected[0].bfloat16(), expected[1]), tolerance=1e-6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch itself, while tracing
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.parametrize(("scan", "oracle", "inputs"), SCANS)
def test_scan_compiles_into_one_graph(scan, oracle, inputs, backend):
    args = tuple(t.requires_grad_() for t in inputs(9))
    y, h = torch.compile(scan, fullgraph=True, backend=backend)(*args, 4)
    assert_same((y, h), oracle(*args))
    grads = torch.autograd.grad(y.sum() + h.sum(), args)
    assert_same(grads, torch.autograd.grad(sum(t.sum() for t in oracle(*args)), args), tolerance=1e-10)


def test_selective_scan_holds_the_states_of_one_chunk_only():
    largest = 0

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            nonlocal largest
            out = func(*args, **(kwargs or {}))
            leaves = torch.utils._pytree.tree_leaves(out)
            largest = max(largest, *(t.numel() for t in leaves if isinstance(t, Tensor)), 0)
            return out

    args = tuple(t.requires_grad_() for t in selective_inputs(256))
    with Watch():
        selective_scan(*args, 16)[0].sum().backward()
    assert largest <= 2 * 256 * 6  # an input, or the states [B, 16, C, N] of a chunk


def conv_oracle(x: Tensor, weight: Tensor, bias: Tensor | None, tail: Tensor) -> Tensor:
    """y_t = bias + Σ_k weight_k x_{t - (K-1) + k}."""
    window, K = torch.cat([tail, x], 1), weight.shape[1]
    y = torch.stack([(window[:, t : t + K] * weight.t()).sum(1) for t in range(x.shape[1])], 1)
    return y if bias is None else y + bias


@pytest.mark.parametrize("T", [1, 2, 17])
@pytest.mark.parametrize("K", [1, 2, 4])
def test_convolution_is_the_sum_over_its_taps(T, K):
    torch.manual_seed(K)
    x = torch.randn(2, T, 11, dtype=torch.float64)[..., 2:8]
    weight, bias, tail = (torch.randn(s, dtype=torch.float64) for s in ((6, K), (6,), (2, K - 1, 6)))
    for b in (bias, None):
        expected = conv_oracle(x, weight, b, tail)
        assert_same((causal_conv1d(x, weight, b, tail, None),), (expected,))
        assert_same((causal_conv1d(x, weight, b, tail),), (F.silu(expected),))
    without = conv_oracle(x, weight, bias, torch.zeros_like(tail))
    assert_same((causal_conv1d(x, weight, bias, None, None),), (without,))


def test_convolution_of_nothing_is_nothing():
    x = torch.randn(2, 0, 6)
    assert causal_conv1d(x, torch.randn(6, 4), None, torch.randn(2, 3, 6)).shape == (2, 0, 6)


def test_convolution_gradients():
    torch.manual_seed(0)
    shapes = ((1, 3, 2), (2, 3), (2,), (1, 2, 2))
    args = tuple(torch.randn(s, dtype=torch.float64, requires_grad=True) for s in shapes)
    assert torch.autograd.gradcheck(causal_conv1d, args)
