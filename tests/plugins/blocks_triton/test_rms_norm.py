"""rms_norm and add_rms_norm against the formula in plain torch, values and gradients."""

from types import ModuleType
from typing import Any

import pytest

torch = pytest.importorskip("torch")
Tensor = torch.Tensor
EPS = 1e-5
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.float16: 1e-2, torch.bfloat16: 1e-2}


@pytest.fixture
def ops(triton_ready: ModuleType) -> ModuleType:
    from blocks_triton.rms_norm import kernels

    return kernels


def reference(x: Any, weight: Any, eps: float = EPS) -> Any:
    """Zhang and Sennrich 2019, equation 4, in the wide dtype."""
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    return (wide / (wide.pow(2).mean(-1, keepdim=True) + eps).sqrt() * weight).to(x.dtype)


def reference_add(x: Any, y: Any, weight: Any, eps: float = EPS) -> Any:
    s = x + y
    return s, reference(s, weight, eps)


def draw(*shape: int, device: str = "cpu", dtype: Any = torch.float32, seed: int = 0) -> Any:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(device, dtype)


def agree(ours: Any, theirs: Any, inputs: list[Any]) -> None:
    """Same outputs and same gradients of every input, under the same random cotangents."""
    results = []
    for function in (ours, theirs):
        leaves = [x.detach().requires_grad_() for x in inputs]
        outputs = function(*leaves)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        grads = [
            draw(*o.shape, device=str(o.device), dtype=o.dtype, seed=i) for i, o in enumerate(outputs, 9)
        ]
        torch.autograd.backward(outputs, grads)
        results.append([*outputs, *(x.grad for x in leaves)])
    for mine, yours in zip(*results, strict=True):
        assert mine.dtype == yours.dtype
        tolerance = TOLERANCE[mine.dtype]
        scale = max(1.0, float(yours.detach().abs().max())) if yours.numel() else 1.0
        torch.testing.assert_close(mine, yours, rtol=tolerance, atol=tolerance * scale)


SHAPES = [(3, 1), (5, 7), (2, 3, 100), (257,), (2, 1, 3, 64), (0, 16), (2, 0, 16), (700, 8)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values_and_gradients(ops: ModuleType, device: str, shape: tuple[int, ...]) -> None:
    x, weight = draw(*shape, device=device), draw(shape[-1], device=device, seed=1)
    y = draw(*shape, device=device, seed=2)
    agree(lambda *a: ops.rms_norm(*a, EPS), reference, [x, weight])
    agree(lambda *a: ops.add_rms_norm(*a, EPS), reference_add, [x, y, weight])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16], ids=str)
def test_dtypes(ops: ModuleType, device: str, dtype: Any) -> None:
    x, y = (draw(6, 100, device=device, dtype=dtype, seed=s) for s in (0, 1))
    weight = draw(100, device=device, dtype=dtype, seed=2)
    agree(lambda *a: ops.rms_norm(*a, EPS), reference, [x, weight])
    agree(lambda *a: ops.add_rms_norm(*a, EPS), reference_add, [x, y, weight])


def test_mixed_dtypes_promote_as_torch_does(ops: ModuleType, device: str) -> None:
    """What autocast makes: an fp32 residual stream, a bf16 branch, an fp32 weight."""
    x, y = draw(4, 33, device=device), draw(4, 33, device=device, dtype=torch.bfloat16, seed=1)
    weight = draw(33, device=device, seed=2)
    agree(lambda *a: ops.add_rms_norm(*a, EPS), reference_add, [x, y, weight])
    agree(lambda *a: ops.rms_norm(*a, EPS), reference, [y, weight])


def test_strided_input(ops: ModuleType, device: str) -> None:
    wide, weight = draw(4, 5, 48, device=device), draw(16, device=device, seed=1)
    tall = draw(5, 16, 3, device=device).transpose(1, 2)
    for x in (wide[..., 16:32], wide[:, ::2, 7:23], tall):
        assert not x.is_contiguous()
        agree(lambda *a: ops.rms_norm(*a, EPS), reference, [x, weight])
        agree(lambda *a: ops.add_rms_norm(*a, EPS), reference_add, [x, x.flip(0), weight])
    expanded = draw(1, 16, device=device).expand(6, 16)
    ours = ops.rms_norm(expanded, weight, EPS)
    torch.testing.assert_close(ours, reference(expanded, weight), rtol=1e-5, atol=1e-5)


def test_broadcast_gradient(ops: ModuleType, device: str) -> None:
    """`.sum().backward()` hands the op a gradient of strides zero."""
    x, weight = (draw(*s, device=device).requires_grad_() for s in ((4, 40), (40,)))
    ours = torch.autograd.grad(ops.rms_norm(x, weight, EPS).sum(), (x, weight))
    theirs = torch.autograd.grad(reference(x, weight).sum(), (x, weight))
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_only_one_output_used(ops: ModuleType, device: str) -> None:
    x, y = (draw(3, 20, device=device, seed=s).requires_grad_() for s in (0, 1))
    weight = draw(20, device=device, seed=2)
    for i in (0, 1):
        ours = torch.autograd.grad(ops.add_rms_norm(x, y, weight, EPS)[i].square().sum(), (x, y))
        theirs = torch.autograd.grad(reference_add(x, y, weight)[i].square().sum(), (x, y))
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_plain_torch_agrees_with_the_kernels(
    ops: ModuleType, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What runs where Triton does not."""
    monkeypatch.setattr(ops, "MAX_ROW", 0)
    x, y = (draw(3, 5, 24, device=device, seed=s) for s in (0, 1))
    weight = draw(24, device=device, seed=2)
    agree(lambda *a: ops.rms_norm(*a, EPS), reference, [x, weight])
    agree(lambda *a: ops.add_rms_norm(*a, EPS), reference_add, [x, y, weight])
    agree(lambda *a: ops.rms_norm(*a, EPS), reference, [x[0, 0], weight])
    torch.library.opcheck(torch.ops.blocks.rms_norm, (x[..., ::2], weight[::2], EPS))


def test_opcheck(ops: ModuleType, device: str) -> None:
    x, y = (draw(3, 4, 40, device=device, seed=s) for s in (0, 1))
    weight = draw(20, device=device, seed=2).requires_grad_()
    half, other = x[..., :20].requires_grad_(), y[..., 20:].requires_grad_()
    torch.library.opcheck(torch.ops.blocks.rms_norm, (half, weight, EPS))
    torch.library.opcheck(torch.ops.blocks.add_rms_norm, (half, other, weight, EPS))
    with torch.no_grad():
        torch.library.opcheck(torch.ops.blocks.rms_norm_backward, (other, half, weight, half, EPS))


def test_compile_and_export(ops: ModuleType, device: str) -> None:
    class Norms(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(draw(24, device=device, seed=2))

        def forward(self, x: Any) -> Any:
            s, h = ops.add_rms_norm(x, ops.rms_norm(x, self.weight, EPS), self.weight, EPS)
            return s * h

    model, x = Norms(), draw(2, 5, 24, device=device)
    eager = model(x)
    eager.sum().backward()
    expected = model.weight.grad.clone()
    model.weight.grad = None
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")(x)
    compiled.sum().backward()
    torch.testing.assert_close(compiled, eager)
    torch.testing.assert_close(model.weight.grad, expected)
    dims = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length")}
    exported = torch.export.export(model, (x,), dynamic_shapes=(dims,)).module()
    longer = draw(3, 7, 24, device=device, seed=5)
    torch.testing.assert_close(exported(longer), model(longer))


def test_misuse_is_named(ops: ModuleType) -> None:
    x, weight = draw(2, 8), draw(8)
    with pytest.raises(ValueError, match=r"not float32 \[2, 8\] and float32 \[7\]"):
        ops.rms_norm(x, weight[:7], EPS)
    with pytest.raises(ValueError, match="not int64"):
        ops.rms_norm(x.long(), weight, EPS)
    with pytest.raises(ValueError, match=r"of one shape, not float32 \[2, 8\] and float32 \[8\]"):
        ops.add_rms_norm(x, x[0], weight, EPS)
