"""RMSNorm against torch's own, in every precision, and Gemma's with its unit offset."""

import pytest
import torch
import torch.nn.functional as F
from transformers.models.gemma2.modeling_gemma2 import Gemma2RMSNorm

from blocks_norms.kernels import add_rms_norm, rms_norm
from blocks_norms.module import RMSNorm, UnitOffsetRMSNorm
from blocks_triton.rms_norm import kernels


@pytest.mark.parametrize("shape", [(2, 5, 8), (3, 0, 8), (1, 1, 1), (7,)])
def test_forward_and_gradient_are_torchs(shape):
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(shape[-1], dtype=torch.float64, requires_grad=True)
    ours, theirs = rms_norm(x, weight, 1e-5), F.rms_norm(x, (shape[-1],), weight, 1e-5)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    g = torch.randn_like(ours)
    torch.testing.assert_close(
        torch.autograd.grad(ours, (x, weight), g), torch.autograd.grad(theirs, (x, weight), g)
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_low_precision_is_the_fp32_result_rounded_once(dtype):
    x, weight = (torch.randn(4, 64) * 300).to(dtype), torch.randn(64).to(dtype)  # squares overflow fp16
    expected = F.rms_norm(x.double(), (64,), weight.double(), 1e-5)
    actual = rms_norm(x, weight, 1e-5)
    assert actual.dtype == dtype
    torch.testing.assert_close(actual.double(), expected, rtol=torch.finfo(dtype).eps, atol=1e-7)


def test_zero_rows_have_zero_output_and_finite_gradient():
    x = torch.zeros(2, 4, requires_grad=True)
    y = rms_norm(x, torch.ones(4), 1e-5)
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(y, torch.zeros(2, 4))
    assert x.grad.isfinite().all()


def test_add_returns_the_sum_and_its_norm():
    norm = RMSNorm(8, eps=1e-3)
    norm.init_weights(torch.Generator())
    x, y = torch.randn(2, 3, 8), torch.randn(2, 3, 8)
    total, normed = norm.add(x, y)
    assert torch.equal(total, x + y)
    assert torch.equal(normed, norm(x + y))
    assert torch.equal(normed, add_rms_norm(x, y, norm.weight, 1e-3)[1])


def test_initial_weight_is_one_and_the_repr_says_the_sizes():
    norm = RMSNorm(3)
    norm.init_weights(torch.Generator())
    assert torch.equal(norm.weight, torch.ones(3))
    assert "3, eps=1e-05" in repr(norm)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_unit_offset_is_gemmas(dtype):
    theirs, ours = Gemma2RMSNorm(64, eps=1e-6).to(dtype), UnitOffsetRMSNorm(64, eps=1e-6).to(dtype)
    with torch.no_grad():
        ours.weight.copy_(theirs.weight.normal_(std=0.3))
    x, y = torch.randn(2, 5, 64).to(dtype), torch.randn(2, 5, 64).to(dtype)
    torch.testing.assert_close(ours(x), theirs(x), rtol=torch.finfo(dtype).eps, atol=1e-6)
    total, normed = ours.add(x, y)
    assert torch.equal(total, x + y)
    assert torch.equal(normed, ours(x + y))


def test_a_unit_offset_starts_at_zero_and_learns():
    norm = UnitOffsetRMSNorm(8)
    norm.init_weights(torch.Generator())
    assert torch.equal(norm.weight, torch.zeros(8))
    x = torch.randn(2, 3, 8)
    torch.testing.assert_close(norm(x), F.rms_norm(x, (8,), eps=1e-5))
    norm(x).square().sum().backward()
    assert (norm.weight.grad > 0).all()


@pytest.mark.skipif(not (kernels.INTERPRETED or torch.cuda.is_available()), reason="Triton runs nowhere here")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_triton_kernel_holds_for_the_fp32_gain_of_a_unit_offset(dtype):
    device = "cuda" if torch.cuda.is_available() else "cpu"
    x = torch.randn(3, 64, device=device).to(dtype).requires_grad_()
    y, g = torch.randn(3, 64, device=device).to(dtype), torch.randn(3, 64, device=device).to(dtype)
    weight = (torch.randn(64, device=device) * 0.3).to(dtype).requires_grad_()
    results = []
    for norm, add in ((rms_norm, add_rms_norm), (kernels.rms_norm, kernels.add_rms_norm)):
        gain = 1 + weight.float()
        first, (total, second) = norm(x, gain, 1e-6), add(x, y, gain, 1e-6)
        results.append((first, total, second, *torch.autograd.grad((first, second), (x, weight), (g, g))))
    for a, b in zip(*results, strict=True):
        assert a.dtype == b.dtype == dtype
        torch.testing.assert_close(
            b, a, rtol=4 * torch.finfo(dtype).eps, atol=1e-5 if dtype == torch.float32 else 0.02
        )
