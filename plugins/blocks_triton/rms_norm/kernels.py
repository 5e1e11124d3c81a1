"""RMS norm and residual add + RMS norm: Triton kernels as torch custom ops, forward and backward.

    y = x / sqrt(mean(x^2) + eps) * weight          Zhang and Sennrich 2019, arXiv:1910.07467, equation 4

Mean, quotient and product with the weight are computed in fp32 (in fp64 for fp64 input) and rounded to x's
dtype once, at the end. The backward recomputes 1 / rms from x, which it has to read anyway, so the forward
saves nothing but x. The weight's gradient is summed over a fixed set of rows by each program, then over
programs: no atomics, so the result is the same in every run.

The ops run Triton on CUDA, ROCm and XPU, and on CPU where `TRITON_INTERPRET=1` was set before this module was
imported. Elsewhere, and for rows longer than `MAX_ROW`, the same ops compute in plain torch. The gradients
are not differentiable again.

Shapes: D row length (d_model, or head_dim), R rows (all leading dimensions as one), P programs.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

MAX_ROW = 32768  # a row is held in registers whole; longer ones go to plain torch
INTERPRETED = bool(triton.knobs.runtime.interpret)


def rms_norm(x: Tensor, weight: Tensor, eps: float = 1e-5) -> Tensor:
    """Root-mean-square norm over the last dimension.

    x floating [..., D], weight [D] -> [..., D] in x's dtype, contiguous. Raises ValueError if shapes do not
    fit. Zhang and Sennrich 2019, arXiv:1910.07467, equation 4.
    """
    _check(x, weight)
    y: Tensor = torch.ops.blocks.rms_norm(x, weight, eps)
    return y


def add_rms_norm(x: Tensor, y: Tensor, weight: Tensor, eps: float = 1e-5) -> tuple[Tensor, Tensor]:
    """Residual add and the norm of the sum, in one pass over memory.

    x, y floating [..., D], weight [D] -> (s, h) with s = x + y in the promoted dtype of both and h =
    rms_norm(s), both [..., D]. The norm reads s as it was rounded, so h equals the unfused result. Raises
    ValueError if shapes do not fit.
    """
    _check(x, weight)
    if x.shape != y.shape or not y.is_floating_point():
        raise ValueError(f"the summands must be floating and of one shape, not {_says(x)} and {_says(y)}")
    s, h = torch.ops.blocks.add_rms_norm(x, y, weight, eps)
    return s, h


def _check(x: Tensor, weight: Tensor) -> None:
    if not x.is_floating_point() or x.dim() == 0 or weight.dim() != 1 or x.shape[-1] != weight.shape[0]:
        raise ValueError(
            f"rms_norm needs a floating x [..., D] and a weight [D], not {_says(x)} and {_says(weight)}"
        )


def _says(x: Tensor) -> str:
    return f"{str(x.dtype).removeprefix('torch.')} {list(x.shape)}"


# ---------------------------------------------------------------------------------------------- kernels


@triton.jit  # type: ignore[untyped-decorator]
def _forward_kernel(  # type: ignore[no-untyped-def]
    x_ptr,
    y_ptr,
    weight_ptr,
    s_ptr,
    h_ptr,
    rows,
    x_stride,
    y_stride,
    EPS: tl.constexpr,
    D: tl.constexpr,
    ADD: tl.constexpr,
    ACC: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """BLOCK_R rows of h = rms_norm(x); with ADD, of s = x + y and h = rms_norm(s)."""
    row = (tl.program_id(0).to(tl.int64) * BLOCK_R + tl.arange(0, BLOCK_R))[:, None]
    col = tl.arange(0, BLOCK_D)[None, :]
    keep = (row < rows) & (col < D)
    weight = tl.load(weight_ptr + col, mask=col < D, other=0.0).to(ACC)
    x = tl.load(x_ptr + row * x_stride + col, mask=keep, other=0.0).to(ACC)
    if ADD:
        x += tl.load(y_ptr + row * y_stride + col, mask=keep, other=0.0).to(ACC)
        s = x.to(s_ptr.dtype.element_ty)
        tl.store(s_ptr + row * D + col, s, mask=keep)
        x = s.to(ACC)
    r_rms = 1.0 / tl.sqrt(tl.sum(x * x, axis=1) / D + EPS)
    h = x * r_rms[:, None] * weight
    tl.store(h_ptr + row * D + col, h.to(h_ptr.dtype.element_ty), mask=keep)


@triton.jit  # type: ignore[untyped-decorator]
def _backward_kernel(  # type: ignore[no-untyped-def]
    grad_ptr,
    x_ptr,
    weight_ptr,
    grad_sum_ptr,
    grad_x_ptr,
    partial_ptr,
    rows,
    grad_stride,
    x_stride,
    grad_sum_stride,
    EPS: tl.constexpr,
    D: tl.constexpr,
    ADD: tl.constexpr,
    ACC: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """Gradient of x (plus grad_sum with ADD), and this program's share [D] of the weight's gradient.

    With u = x / rms and g = grad * weight: grad_x = (g - u * mean(g * u)) / rms and grad_weight = the sum
    over rows of grad * u.
    """
    col = tl.arange(0, BLOCK_D)[None, :]
    weight = tl.load(weight_ptr + col, mask=col < D, other=0.0).to(ACC)
    grad_weight = tl.zeros([BLOCK_R, BLOCK_D], dtype=ACC)
    for block in range(tl.program_id(0), tl.cdiv(rows, BLOCK_R), tl.num_programs(0)):
        row = (tl.arange(0, BLOCK_R).to(tl.int64) + block * BLOCK_R)[:, None]
        keep = (row < rows) & (col < D)
        x = tl.load(x_ptr + row * x_stride + col, mask=keep, other=0.0).to(ACC)
        grad = tl.load(grad_ptr + row * grad_stride + col, mask=keep, other=0.0).to(ACC)
        r_rms = (1.0 / tl.sqrt(tl.sum(x * x, axis=1) / D + EPS))[:, None]
        unit = x * r_rms
        grad_weight += grad * unit
        grad_unit = grad * weight
        mean = (tl.sum(grad_unit * unit, axis=1) / D)[:, None]
        grad_x = (grad_unit - unit * mean) * r_rms
        if ADD:
            grad_x += tl.load(grad_sum_ptr + row * grad_sum_stride + col, mask=keep, other=0.0).to(ACC)
        tl.store(grad_x_ptr + row * D + col, grad_x.to(grad_x_ptr.dtype.element_ty), mask=keep)
    partial = tl.sum(grad_weight, axis=0)[None, :]
    tl.store(partial_ptr + tl.program_id(0).to(tl.int64) * D + col, partial, mask=col < D)


# ---------------------------------------------------------------------------------------------- launching


def _triton_runs(x: Tensor) -> bool:
    """Whether the kernels take this x (else plain torch does)."""
    on_device = x.device.type in ("cuda", "xpu") or (INTERPRETED and x.device.type == "cpu")
    return on_device and 0 < x.shape[-1] <= MAX_ROW


def _as_rows(x: Tensor) -> Tensor:
    """[..., D] as [R, D] with neighbours side by side; a copy only where the strides demand one."""
    x_RD = x.reshape(-1, x.shape[-1])
    return x_RD if x_RD.stride(1) == 1 else x_RD.contiguous()


def _tile(d: int) -> tuple[int, int, int]:
    """(BLOCK_R, BLOCK_D, warps): about 2048 elements a program, 16 a thread, more only if one row is
    longer."""
    block_d = max(16, triton.next_power_of_2(d))
    block_r = max(1, 2048 // block_d)
    return block_r, block_d, min(16, max(1, block_r * block_d // 512))


def _programs(x: Tensor, warps: int) -> int:
    """Programs that fill the device at 16 warps a multiprocessor."""
    if x.device.type == "cuda":
        processors = torch.cuda.get_device_properties(x.device).multi_processor_count
    else:
        processors = 64 if x.device.type == "xpu" else 2
    return int(processors) * max(1, 16 // warps)


def _launch_forward(x: Tensor, y: Tensor | None, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """(s, h); s is x itself where there is nothing to add."""
    s = x if y is None else x.new_empty(x.shape, dtype=torch.promote_types(x.dtype, y.dtype))
    h = x.new_empty(x.shape, dtype=s.dtype)
    x_RD = _as_rows(x)
    y_RD = x_RD if y is None else _as_rows(y)
    rows, d = x_RD.shape
    if rows > 0:
        block_r, block_d, warps = _tile(d)
        with torch.cuda.device_of(x):  # type: ignore[no-untyped-call]
            _forward_kernel[(triton.cdiv(rows, block_r),)](
                x_RD,
                y_RD,
                weight.contiguous(),
                s,
                h,
                rows,
                x_RD.stride(0),
                y_RD.stride(0),
                EPS=eps,
                D=d,
                ADD=y is not None,
                ACC=tl.float64 if s.dtype == torch.float64 else tl.float32,
                BLOCK_R=block_r,
                BLOCK_D=block_d,
                num_warps=warps,
                enable_fp_fusion=True,
            )
    return s, h


def _launch_backward(
    grad: Tensor, x: Tensor, weight: Tensor, grad_sum: Tensor | None, eps: float
) -> tuple[Tensor, Tensor]:
    grad_x = x.new_empty(x.shape)
    x_RD, grad_RD = _as_rows(x), _as_rows(grad)
    grad_sum_RD = grad_RD if grad_sum is None else _as_rows(grad_sum)
    rows, d = x_RD.shape
    if rows == 0:
        return grad_x, weight.new_zeros(d)
    block_r, block_d, warps = _tile(d)
    programs = min(triton.cdiv(rows, block_r), _programs(x, warps))
    double = x.dtype == torch.float64
    partial_PD = x.new_empty(programs, d, dtype=torch.float64 if double else torch.float32)
    with torch.cuda.device_of(x):  # type: ignore[no-untyped-call]
        _backward_kernel[(programs,)](
            grad_RD,
            x_RD,
            weight.contiguous(),
            grad_sum_RD,
            grad_x,
            partial_PD,
            rows,
            grad_RD.stride(0),
            x_RD.stride(0),
            grad_sum_RD.stride(0),
            EPS=eps,
            D=d,
            ADD=grad_sum is not None,
            ACC=tl.float64 if double else tl.float32,
            BLOCK_R=block_r,
            BLOCK_D=block_d,
            num_warps=warps,
            enable_fp_fusion=True,
        )
    return grad_x, partial_PD.sum(0).to(weight.dtype)


# ---------------------------------------------------------------------------------------------- plain torch


def _wide(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


def _plain_forward(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    wide = _wide(x)
    h = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps) * weight.to(wide.dtype)
    return h.to(x.dtype).contiguous()


def _plain_backward(
    grad: Tensor, x: Tensor, weight: Tensor, grad_sum: Tensor | None, eps: float
) -> tuple[Tensor, Tensor]:
    wide = _wide(x)
    r_rms = torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)
    unit = wide * r_rms
    wide_grad = grad.to(wide.dtype)
    grad_unit = wide_grad * weight.to(wide.dtype)
    grad_x = (grad_unit - unit * (grad_unit * unit).mean(-1, keepdim=True)) * r_rms
    if grad_sum is not None:
        grad_x = grad_x + grad_sum
    grad_weight = (wide_grad * unit).flatten(0, -2).sum(0) if x.dim() > 1 else wide_grad * unit
    return grad_x.to(x.dtype).contiguous(), grad_weight.to(weight.dtype)


# ---------------------------------------------------------------------------------------------- custom ops


@torch.library.custom_op("blocks::rms_norm", mutates_args=())
def _rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    return _launch_forward(x, None, weight, eps)[1] if _triton_runs(x) else _plain_forward(x, weight, eps)


@torch.library.custom_op("blocks::add_rms_norm", mutates_args=())
def _add_rms_norm(x: Tensor, y: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    if _triton_runs(x):
        return _launch_forward(x, y, weight, eps)
    s = (x + y).contiguous()
    return s, _plain_forward(s, weight, eps)


@torch.library.custom_op("blocks::rms_norm_backward", mutates_args=())
def _rms_norm_backward(
    grad: Tensor, x: Tensor, weight: Tensor, grad_sum: Tensor | None, eps: float
) -> tuple[Tensor, Tensor]:
    backward = _launch_backward if _triton_runs(x) else _plain_backward
    return backward(grad, x, weight, grad_sum, eps)


@_rms_norm.register_fake
def _rms_norm_fake(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    return x.new_empty(x.shape)


@_add_rms_norm.register_fake
def _add_rms_norm_fake(x: Tensor, y: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    s = x.new_empty(x.shape, dtype=torch.promote_types(x.dtype, y.dtype))
    return s, torch.empty_like(s)


@_rms_norm_backward.register_fake
def _rms_norm_backward_fake(
    grad: Tensor, x: Tensor, weight: Tensor, grad_sum: Tensor | None, eps: float
) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape), weight.new_empty(weight.shape)


def _save(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    x, weight, ctx.eps = inputs
    ctx.save_for_backward(x, weight)


def _differentiate(ctx, grad):  # type: ignore[no-untyped-def]
    x, weight = ctx.saved_tensors
    return *torch.ops.blocks.rms_norm_backward(grad, x, weight, None, ctx.eps), None


def _save_add(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    x, y, weight, ctx.eps = inputs
    ctx.x_dtype, ctx.y_dtype = x.dtype, y.dtype
    ctx.save_for_backward(output[0], weight)


def _differentiate_add(ctx, grad_s, grad_h):  # type: ignore[no-untyped-def]
    s, weight = ctx.saved_tensors
    grad, grad_weight = torch.ops.blocks.rms_norm_backward(grad_h, s, weight, grad_s, ctx.eps)
    return grad.to(ctx.x_dtype), grad.to(ctx.y_dtype), grad_weight, None


_rms_norm.register_autograd(_differentiate, setup_context=_save)
_add_rms_norm.register_autograd(_differentiate_add, setup_context=_save_add)
