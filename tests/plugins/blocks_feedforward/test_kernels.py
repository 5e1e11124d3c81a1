"""Grouped linear maps: every way of computing them is the definition, one row at a time."""

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from blocks_feedforward import grouped_mm
from blocks_feedforward.kernels import grouped_linear, grouped_linear_in_blocks

D, F, E = 8, 12, 5
SIZES = [
    pytest.param([3, 0, 7, 1, 2], 0, id="uneven"),
    pytest.param([0, 0, 9, 0, 0], 0, id="one-group"),
    pytest.param([2, 2, 2, 2, 2], 3, id="rest"),
    pytest.param([0, 0, 0, 0, 0], 4, id="nothing-but-rest"),
    pytest.param([1, 0, 0, 0, 1], 0, id="two-rows"),
    pytest.param([0, 0, 0, 0, 0], 0, id="empty"),
    pytest.param([40, 1, 0, 23, 9], 11, id="many"),
]
WAYS = {
    "reference": grouped_linear,
    "blocks": grouped_linear_in_blocks,
    "grouped_mm": grouped_mm.grouped_linear,
}


def inputs(sizes: list[int], rest: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(sum(sizes) + rest)
    shapes = ((sum(sizes) + rest, D), (E, F, D), (E, F))
    drawn = [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in shapes]
    return *(tensor.requires_grad_() for tensor in drawn), torch.tensor(sizes).cumsum(dim=0)


def row_by_row(x: Tensor, weight: Tensor, bias: Tensor | None, ends: Tensor) -> Tensor:
    rows = []
    for n, row in enumerate(x):
        group = int((ends <= n).sum())
        if group == E:
            rows.append(row.new_zeros(F))
        else:
            rows.append(weight[group] @ row + (0 if bias is None else bias[group]))
    return torch.stack(rows) if rows else x.new_zeros(0, F)


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize(("sizes", "rest"), SIZES)
@pytest.mark.parametrize("way", WAYS)
def test_every_way_is_the_definition_with_its_gradients(way, sizes, rest, biased):
    dtype = torch.float32 if way == "grouped_mm" else torch.float64
    tolerance = 1e-5 if way == "grouped_mm" else 1e-12
    x, weight, bias, ends = inputs(sizes, rest, dtype)
    given = bias if biased else None
    wanted = row_by_row(x, weight, given, ends)
    got = WAYS[way](x, weight, given, ends)
    assert got.dtype == dtype
    torch.testing.assert_close(got, wanted, rtol=tolerance, atol=tolerance)
    if sum(sizes):
        pull = torch.randn_like(wanted)
        of = [x, weight, *([bias] if biased else [])]
        theirs = torch.autograd.grad((wanted * pull).sum(), of)
        ours = torch.autograd.grad((got * pull).sum(), of)
        torch.testing.assert_close(ours, theirs, rtol=10 * tolerance, atol=10 * tolerance)


def test_torchs_kernel_is_taken_where_it_can_be(monkeypatch):
    taken = []
    real = torch.nn.functional.grouped_mm
    monkeypatch.setattr(
        torch.nn.functional, "grouped_mm", lambda *args, **rest: taken.append(1) or real(*args, **rest)
    )
    x, weight, bias, ends = inputs([3, 0, 7, 1, 2], 4, torch.float32)
    got = grouped_mm.grouped_linear(x, weight, bias, ends)
    torch.testing.assert_close(got, grouped_linear(x, weight, bias, ends), rtol=1e-5, atol=1e-5)
    assert len(taken) == 1
    x, weight = x.bfloat16(), weight[:, :8].bfloat16()
    got = grouped_mm.grouped_linear(x, weight, None, ends)
    wanted = grouped_linear(x, weight, None, ends)
    torch.testing.assert_close(got, wanted, rtol=2e-2, atol=2e-2)
    assert len(taken) == 2


def test_where_torch_has_no_kernel_the_reference_computes():
    for dtype, width in ((torch.float64, D), (torch.float32, 7), (torch.bfloat16, D)):
        x, weight, bias, ends = inputs([3, 0, 7, 1, 2], 4, dtype)
        x, weight = x[:, :width] if width < D else x, weight[..., :width] if width < D else weight
        assert not grouped_mm.suits(x, weight)  # of F = 12 channels, 24 bytes in bfloat16
        got = grouped_mm.grouped_linear(x, weight, bias, ends)
        assert torch.equal(got, grouped_linear(x, weight, bias, ends))


@pytest.mark.parametrize("rows", [0, 1, 4, 5, 37])
def test_nothing_is_computed_that_is_not_asked_for(rows):
    """On the meta device groups are even, and as much work as on any other."""
    x, weight = torch.empty(rows, D, device="meta"), torch.empty(E, F, D, device="meta")
    with FlopCounterMode(display=False) as counter:
        y = grouped_linear(x, weight, None, torch.empty(E, dtype=torch.int64, device="meta"))
    assert y.shape == (rows, F)
    assert counter.get_total_flops() == 2 * rows * D * F
    sizes = [rows, 0, 0, 0, 0]
    with FlopCounterMode(display=False) as counter:
        grouped_linear(torch.zeros(rows + 3, D), torch.zeros(E, F, D), None, torch.tensor(sizes).cumsum(0))
    assert counter.get_total_flops() == 2 * rows * D * F
