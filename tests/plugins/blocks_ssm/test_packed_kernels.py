"""The operations over packed documents: those of the documents alone, whatever the decay and the chunk."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from blocks_ssm.kernels import (
    causal_conv1d,
    packed_conv1d,
    packed_selective_scan,
    packed_ssd_scan,
    selective_scan,
    ssd_scan,
)

LENGTHS = (1, 1, 5, 16, 2, 30, 3)
T = sum(LENGTHS)


def starts() -> Tensor:
    """Row 0 in documents of those lengths, row 1 in the same backwards."""
    rows = torch.zeros(2, T, dtype=torch.bool)
    for row, lengths in enumerate((LENGTHS, LENGTHS[::-1])):
        rows[row, torch.tensor((0, *lengths[:-1])).cumsum(0)] = True
    return rows


def documents(row: int) -> list[slice]:
    ends = torch.tensor(LENGTHS if row == 0 else LENGTHS[::-1]).cumsum(0).tolist()
    return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]


def ssd(rate: float) -> tuple[Any, Any, list[Tensor], Tensor]:
    generator = torch.Generator().manual_seed(0)
    x, dt, B, C = (
        torch.randn(2, T, *shape, generator=generator, dtype=torch.float64)
        for shape in ((4, 3), (4,), (2, 5), (2, 5))
    )
    return packed_ssd_scan, ssd_scan, [x, F.softplus(dt), B, C], -rate * torch.arange(1.0, 5).double()


def selective(rate: float) -> tuple[Any, Any, list[Tensor], Tensor]:
    generator = torch.Generator().manual_seed(0)
    x, dt, B, C = (torch.randn(2, T, size, generator=generator, dtype=torch.float64) for size in (6, 6, 4, 4))
    A = -rate * torch.rand(6, 4, generator=generator, dtype=torch.float64)
    return packed_selective_scan, selective_scan, [x, F.softplus(dt), B, C], A


@pytest.mark.parametrize("rate", [0.0, 1.0, 1e4], ids=["keeps", "decays", "forgets at once"])
@pytest.mark.parametrize("chunk_size", [1, 3, 16, 64])
@pytest.mark.parametrize("inputs", [ssd, selective])
def test_scan_starts_anew_in_each_document(inputs: Any, chunk_size: int, rate: float) -> None:
    packed, alone, given, A = inputs(rate)
    given = [each.requires_grad_() for each in given]
    x, dt, B, C = given
    y = packed(x, dt, A, B, C, starts(), chunk_size)
    for row in range(2):
        for own in documents(row):
            cut = [each[row : row + 1, own] for each in given]
            expected, _ = alone(cut[0], cut[1], A, cut[2], cut[3], None, chunk_size)
            torch.testing.assert_close(y[row, own], expected[0], rtol=1e-12, atol=1e-12)
            ours = torch.autograd.grad(y[row, own].square().sum(), given, retain_graph=True)
            theirs = torch.autograd.grad(expected.square().sum(), given)
            torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)
            for gradient in ours:
                gradient[row, own] = 0
                assert not gradient.any()


@pytest.mark.parametrize("width", [1, 2, 4, 7])
@pytest.mark.parametrize("bias", [True, False])
def test_taps_stay_in_their_document(width: int, bias: bool) -> None:
    generator = torch.Generator().manual_seed(width)
    x, weight, shift = (
        torch.randn(shape, generator=generator, dtype=torch.float64)
        for shape in ((2, T, 5), (5, width), (5,))
    )
    offset = shift if bias else None
    x.requires_grad_()
    y = packed_conv1d(x, weight, offset, starts())
    for row in range(2):
        for own in documents(row):
            expected = causal_conv1d(x[row : row + 1, own], weight, offset)
            torch.testing.assert_close(y[row, own], expected[0], rtol=1e-12, atol=1e-12)
            (gradient,) = torch.autograd.grad(y[row, own].square().sum(), x, retain_graph=True)
            gradient[row, own] = 0
            assert not gradient.any()


def test_decays_in_half_precision_are_summed_in_single() -> None:
    packed, alone, given, A = ssd(1.0)
    x, dt, B, C = (each.bfloat16() for each in given)
    y = packed(x, dt, A, B, C, starts())
    assert y.dtype == torch.bfloat16
    own = documents(0)[5]
    expected, _ = alone(x[:1, own], dt[:1, own], A, B[:1, own], C[:1, own])
    torch.testing.assert_close(y[:1, own], expected)
