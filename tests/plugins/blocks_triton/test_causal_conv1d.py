"""causal_conv1d against torch's own grouped convolution, values and gradients."""

from types import ModuleType
from typing import Any

import pytest

torch = pytest.importorskip("torch")
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.float16: 1e-2, torch.bfloat16: 1e-2}


@pytest.fixture
def ops(triton_ready: ModuleType) -> ModuleType:
    from blocks_triton.causal_conv1d import kernels

    return kernels


def reference(x: Any, weight: Any, bias: Any, tail: Any, activation: str | None = "silu") -> Any:
    """torch.nn.functional.conv1d with one group a channel, in the wide dtype."""
    wide = torch.promote_types(x.dtype, torch.float32)
    channels, width = weight.shape
    before = x.new_zeros(x.shape[0], width - 1, channels) if tail is None else tail
    joined = torch.cat([before.to(wide), x.to(wide)], dim=1).transpose(1, 2)
    filters = weight.to(wide).unsqueeze(1)
    if x.shape[1] == 0:
        y = joined[:, :, width - 1 :] * filters[:, 0, :1]
    else:
        y = torch.nn.functional.conv1d(joined, filters, groups=channels)
    y = y.transpose(1, 2) if bias is None else y.transpose(1, 2) + bias.to(wide)
    return (torch.nn.functional.silu(y) if activation == "silu" else y).to(x.dtype)


def draw(*shape: int, device: str = "cpu", dtype: Any = torch.float32, seed: int = 0) -> Any:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(device, dtype)


def agree(
    ops: ModuleType, x: Any, weight: Any, bias: Any, tail: Any, activation: str | None = "silu"
) -> None:
    """Same output and same gradients of every argument, under the same random cotangent."""
    results = []
    functions: list[Any] = [ops.causal_conv1d, reference]
    for function in functions:
        leaves = [None if a is None else a.detach().requires_grad_() for a in (x, weight, bias, tail)]
        y = function(*leaves, activation)
        y.backward(draw(*y.shape, device=str(y.device), dtype=y.dtype, seed=9))
        grads = [torch.zeros_like(a) if a.grad is None else a.grad for a in leaves if a is not None]
        results.append([y, *grads])
    for mine, yours in zip(*results, strict=True):
        assert mine.dtype == yours.dtype
        tolerance = TOLERANCE[mine.dtype]
        scale = max(1.0, float(yours.detach().abs().max())) if yours.numel() else 1.0
        torch.testing.assert_close(mine, yours, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("length", [0, 1, 2, 5, 17])
def test_lengths_and_widths(ops: ModuleType, device: str, length: int, width: int) -> None:
    x, weight = draw(2, length, 19, device=device), draw(19, width, device=device, seed=1)
    bias, tail = draw(19, device=device, seed=2), draw(2, width - 1, 19, device=device, seed=3)
    agree(ops, x, weight, bias, tail)
    agree(ops, x, weight, None, tail, None)
    agree(ops, x, weight, bias, None)


@pytest.mark.parametrize("shape", [(1, 70, 8), (3, 33, 130), (0, 4, 8), (9, 5, 1)], ids=str)
def test_several_tiles(ops: ModuleType, device: str, shape: tuple[int, int, int]) -> None:
    batch, _, channels = shape
    x, weight = draw(*shape, device=device), draw(channels, 4, device=device, seed=1)
    bias, tail = draw(channels, device=device, seed=2), draw(batch, 3, channels, device=device, seed=3)
    agree(ops, x, weight, bias, tail)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16], ids=str)
def test_dtypes(ops: ModuleType, device: str, dtype: Any) -> None:
    x, tail = draw(2, 9, 20, device=device, dtype=dtype), draw(2, 3, 20, device=device, dtype=dtype, seed=1)
    weight = draw(20, 4, device=device, dtype=dtype, seed=2)
    bias = draw(20, device=device, dtype=dtype, seed=3)
    agree(ops, x, weight, bias, tail)


def test_mixed_dtypes(ops: ModuleType, device: str) -> None:
    """A bf16 activation with fp32 weights and an fp32 tail: the tail is not rounded to bf16."""
    x, tail = draw(2, 9, 20, device=device, dtype=torch.bfloat16), draw(2, 3, 20, device=device, seed=1)
    weight, bias = draw(20, 4, device=device, seed=2), draw(20, device=device, seed=3)
    agree(ops, x, weight, bias, tail)


def test_any_split_agrees(ops: ModuleType, device: str) -> None:
    x, weight = draw(2, 13, 6, device=device), draw(6, 4, device=device, seed=1)
    bias = draw(6, device=device, seed=2)
    whole = ops.causal_conv1d(x, weight, bias, None)
    for cut in (0, 1, 2, 7, 13):
        tail = torch.cat([x.new_zeros(2, 3, 6), x[:, :cut]], dim=1)[:, -3:]
        early = ops.causal_conv1d(x[:, :cut], weight, bias, None)
        late = ops.causal_conv1d(x[:, cut:], weight, bias, tail)
        torch.testing.assert_close(torch.cat([early, late], dim=1), whole, rtol=1e-5, atol=1e-5)


def test_strided_input(ops: ModuleType, device: str) -> None:
    weight, bias = draw(8, 4, device=device, seed=1), draw(8, device=device, seed=2)
    projection, long = draw(2, 7, 40, device=device), draw(2, 9, 8, device=device)
    tall = draw(2, 8, 7, device=device).transpose(1, 2)
    for x in (projection[..., 8:16], long[:, ::2], tall):
        assert not x.is_contiguous()
        agree(ops, x, weight, bias, long[:, 1:7:2])
        agree(ops, x, weight.t().contiguous().t(), bias, None, None)


def test_broadcast_gradient(ops: ModuleType, device: str) -> None:
    """`.sum().backward()` hands the op a gradient of strides zero."""
    x, weight = (draw(*s, device=device).requires_grad_() for s in ((2, 6, 10), (10, 3)))
    ours = torch.autograd.grad(ops.causal_conv1d(x, weight, None, None).sum(), (x, weight))
    theirs = torch.autograd.grad(reference(x, weight, None, None).sum(), (x, weight))
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("length", [0, 6])
def test_plain_torch_agrees_with_the_kernels(
    ops: ModuleType, device: str, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What runs where Triton does not."""
    monkeypatch.setattr(ops, "MAX_WIDTH", 0)
    x, weight = draw(2, length, 8, device=device), draw(8, 4, device=device, seed=1)
    bias, tail = draw(8, device=device, seed=2), draw(2, 3, 8, device=device, seed=3)
    agree(ops, x, weight, bias, tail)
    agree(ops, x, weight, None, None, None)
    if length:
        arguments = [a.requires_grad_() for a in (x, weight, bias, tail)]
        torch.library.opcheck(torch.ops.blocks.causal_conv1d, (*arguments, True))


def test_wide_filter_goes_to_plain_torch(ops: ModuleType, device: str) -> None:
    x, weight = draw(1, 12, 4, device=device), draw(4, ops.MAX_WIDTH + 1, device=device, seed=1)
    agree(ops, x, weight, None, None)


def test_opcheck(ops: ModuleType, device: str) -> None:
    x, weight = draw(2, 6, 20, device=device)[..., 4:14].requires_grad_(), draw(10, 4, device=device, seed=1)
    bias, tail = draw(10, device=device, seed=2).requires_grad_(), draw(2, 3, 10, device=device, seed=3)
    op, backward = torch.ops.blocks.causal_conv1d, torch.ops.blocks.causal_conv1d_backward
    torch.library.opcheck(op, (x, weight.requires_grad_(), bias, tail.requires_grad_(), True))
    torch.library.opcheck(op, (x, weight, None, None, False))
    with torch.no_grad():
        arguments = [a.detach() for a in (x, x, weight, bias, tail)]
        torch.library.opcheck(backward, (*arguments, True))


def test_compile_and_export(ops: ModuleType, device: str) -> None:
    class Filter(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(draw(6, 4, device=device, seed=1))
            self.bias = torch.nn.Parameter(draw(6, device=device, seed=2))

        def forward(self, x: Any, tail: Any = None) -> Any:
            return ops.causal_conv1d(x, self.weight, self.bias, tail)

    model, x, tail = Filter(), draw(2, 5, 6, device=device), draw(2, 3, 6, device=device, seed=3)
    eager = model(x, tail)
    eager.sum().backward()
    expected = model.weight.grad.clone()
    model.weight.grad = None
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")(x, tail)
    compiled.sum().backward()
    torch.testing.assert_close(compiled, eager)
    torch.testing.assert_close(model.weight.grad, expected)
    dims = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length")}
    exported = torch.export.export(model, (x,), dynamic_shapes=(dims,)).module()
    longer = draw(3, 7, 6, device=device, seed=5)
    torch.testing.assert_close(exported(longer), model(longer))


def test_misuse_is_named(ops: ModuleType) -> None:
    x, weight, bias = draw(2, 5, 6), draw(6, 4), draw(6)
    with pytest.raises(ValueError, match=r"a floating x \[B, T, C\], not torch.float32 \[5, 6\]"):
        ops.causal_conv1d(x[0], weight, bias, None)
    with pytest.raises(ValueError, match=r"the weight must be \[C, K\] = \[6, 1 or more\], not \[5, 4\]"):
        ops.causal_conv1d(x, weight[1:], bias, None)
    with pytest.raises(ValueError, match=r"the bias must be \[C\] = \[6\], not \[5\]"):
        ops.causal_conv1d(x, weight, bias[1:], None)
    with pytest.raises(ValueError, match=r"the tail must be \[B, K-1, C\] = \[2, 3, 6\], not \[2, 4, 6\]"):
        ops.causal_conv1d(x, weight, bias, x[:, :4])
    with pytest.raises(ValueError, match="\"silu\" or None, not 'gelu'"):
        ops.causal_conv1d(x, weight, bias, None, "gelu")
