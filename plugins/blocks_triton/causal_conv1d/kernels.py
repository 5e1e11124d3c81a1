"""Depthwise causal convolution over time: Triton kernels as one torch custom op, forward and backward.

    y[b, t, c] = act(bias[c] + sum_k weight[c, k] * x[b, t - (K-1) + k, c])

(Gu and Dao 2023, arXiv:2312.00752, section 3.4) where x[b, -1], x[b, -2], ... are the last rows of `tail`,
zero without one, and act is SiLU or nothing. Sums are held in fp32 (in fp64 for fp64 input) and rounded to
x's dtype once. The backward is one kernel: it recomputes the value before the activation from x, so the
forward saves nothing but its arguments. Gradients of weight and bias are summed over a fixed set of tiles by
each program, then over programs: no atomics, so the result is the same in every run.

The op runs Triton on CUDA, ROCm and XPU, and on CPU where `TRITON_INTERPRET=1` was set before this module was
imported. Elsewhere, and for K over `MAX_WIDTH`, the same op computes in plain torch. The gradients are not
differentiable again.

Shapes: B batch, T tokens, C channels, K taps, P programs.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

MAX_WIDTH = 8  # the taps are unrolled, K * K of them in the backward; wider filters go to plain torch
INTERPRETED = bool(triton.knobs.runtime.interpret)


def causal_conv1d(
    x: Tensor, weight: Tensor, bias: Tensor | None, tail: Tensor | None, activation: str | None = "silu"
) -> Tensor:
    """Each channel's own causal filter of K taps along time.

    x floating [B, T, C], weight [C, K], bias [C] or None, tail [B, K-1, C] (the inputs just before x) or None
    for zeros, activation "silu" or None -> [B, T, C] in x's dtype, contiguous. Strided x is read in place if
    its channels lie side by side. Raises ValueError if shapes do not fit or the activation is another one.
    """
    if x.dim() != 3 or not x.is_floating_point():
        raise ValueError(f"causal_conv1d needs a floating x [B, T, C], not {x.dtype} {list(x.shape)}")
    batch, _, channels = x.shape
    if weight.dim() != 2 or weight.shape[0] != channels or weight.shape[1] < 1:
        raise ValueError(f"the weight must be [C, K] = [{channels}, 1 or more], not {list(weight.shape)}")
    if bias is not None and (bias.dim() != 1 or bias.shape[0] != channels):
        raise ValueError(f"the bias must be [C] = [{channels}], not {list(bias.shape)}")
    width = weight.shape[1]
    if tail is not None and tail.shape != (batch, width - 1, channels):
        raise ValueError(
            f"the tail must be [B, K-1, C] = [{batch}, {width - 1}, {channels}], not {list(tail.shape)}"
        )
    if activation not in ("silu", None):
        raise ValueError(f'the activation must be "silu" or None, not {activation!r}')
    y: Tensor = torch.ops.blocks.causal_conv1d(x, weight, bias, tail, activation == "silu")
    return y


# ---------------------------------------------------------------------------------------------- kernels


@triton.jit  # type: ignore[untyped-decorator]
def _input_at(  # type: ignore[no-untyped-def]
    x_ptr,
    tail_ptr,
    x_stride_t,
    time,
    SHIFT: tl.constexpr,
    T,
    col,
    C,
    K: tl.constexpr,
    TAIL: tl.constexpr,
    ACC: tl.constexpr,
):
    """The tile of x at time + SHIFT, from the tail before time 0, zero where there is nothing.

    One addition of one constant, so that the compiler sees equal tiles as equal and loads each once.
    """
    time = time + SHIFT
    here = (time >= 0) & (time < T) & (col < C)
    x = tl.load(x_ptr + time.to(tl.int64) * x_stride_t + col, mask=here, other=0.0).to(ACC)
    if TAIL:
        row = time + (K - 1)
        early = tl.load(tail_ptr + row * C + col, mask=(time < 0) & (row >= 0) & (col < C), other=0.0)
        x = tl.where(time < 0, early.to(ACC), x)
    return x


@triton.jit  # type: ignore[untyped-decorator]
def _forward_kernel(  # type: ignore[no-untyped-def]
    x_ptr,
    weight_ptr,
    bias_ptr,
    tail_ptr,
    y_ptr,
    T,
    C,
    x_stride_b,
    x_stride_t,
    K: tl.constexpr,
    BIAS: tl.constexpr,
    TAIL: tl.constexpr,
    SILU: tl.constexpr,
    ACC: tl.constexpr,
    BLOCK_T: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """One tile [BLOCK_T, BLOCK_C] of y; grid (B * tiles along T, tiles along C)."""
    tiles = tl.cdiv(T, BLOCK_T)
    batch = (tl.program_id(0) // tiles).to(tl.int64)
    time = (tl.program_id(0) % tiles * BLOCK_T + tl.arange(0, BLOCK_T))[:, None]
    col = (tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C))[None, :]
    x_ptr += batch * x_stride_b
    tail_ptr += batch * (K - 1) * C
    acc = tl.zeros([BLOCK_T, BLOCK_C], dtype=ACC)
    if BIAS:
        acc += tl.load(bias_ptr + col, mask=col < C, other=0.0).to(ACC)
    for k in tl.static_range(K):
        tap = tl.load(weight_ptr + col * K + k, mask=col < C, other=0.0).to(ACC)
        acc += tap * _input_at(x_ptr, tail_ptr, x_stride_t, time, k - (K - 1), T, col, C, K, TAIL, ACC)
    if SILU:
        acc = acc / (1.0 + tl.exp(-acc))
    y_ptr += (batch * T + time) * C + col
    tl.store(y_ptr, acc.to(y_ptr.dtype.element_ty), mask=(time < T) & (col < C))


@triton.jit  # type: ignore[untyped-decorator]
def _backward_kernel(  # type: ignore[no-untyped-def]
    grad_ptr,
    x_ptr,
    weight_ptr,
    bias_ptr,
    tail_ptr,
    grad_x_ptr,
    grad_tail_ptr,
    partial_ptr,
    B,
    T,
    C,
    x_stride_b,
    x_stride_t,
    grad_stride_b,
    grad_stride_t,
    K: tl.constexpr,
    BIAS: tl.constexpr,
    TAIL: tl.constexpr,
    SILU: tl.constexpr,
    ACC: tl.constexpr,
    BLOCK_T: tl.constexpr,
    BLOCK_C: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """Gradients of x and tail tile by tile, and this program's share [K+1, C] of those of weight (K rows) and
    bias.

    With g the gradient before the activation: grad_x[t] = sum_j weight[K-1-j] * g[t+j] and
    grad_weight[k] = sum_t g[t] * x[t-(K-1)+k]. Times run from -(K-1) where there is a tail, for its rows.
    """
    first = -(K - 1) if TAIL else 0
    tiles = tl.cdiv(T - first, BLOCK_T)
    col = (tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C))[None, :]
    row = tl.arange(0, BLOCK_K)[:, None]
    partial = tl.zeros([BLOCK_K, BLOCK_C], dtype=ACC)
    for tile in range(tl.program_id(0), B * tiles, tl.num_programs(0)):
        batch = tl.cast(tile // tiles, tl.int64)
        time = (tile % tiles * BLOCK_T + first + tl.arange(0, BLOCK_T))[:, None]
        x_b = x_ptr + batch * x_stride_b
        tail_b = tail_ptr + batch * (K - 1) * C
        grad_x = tl.zeros([BLOCK_T, BLOCK_C], dtype=ACC)
        for j in tl.static_range(K):
            now = time + j
            here = (now >= 0) & (now < T) & (col < C)
            grad_at = grad_ptr + batch * grad_stride_b + now.to(tl.int64) * grad_stride_t + col
            g = tl.load(grad_at, mask=here, other=0.0).to(ACC)
            if SILU:
                pre = tl.zeros([BLOCK_T, BLOCK_C], dtype=ACC)
                if BIAS:
                    pre += tl.load(bias_ptr + col, mask=col < C, other=0.0).to(ACC)
                for k in tl.static_range(K):
                    tap = tl.load(weight_ptr + col * K + k, mask=col < C, other=0.0).to(ACC)
                    pre += tap * _input_at(
                        x_b, tail_b, x_stride_t, time, j + k - (K - 1), T, col, C, K, TAIL, ACC
                    )
                sigmoid = 1.0 / (1.0 + tl.exp(-pre))
                g *= sigmoid * (1.0 + pre * (1.0 - sigmoid))
            grad_x += g * tl.load(weight_ptr + col * K + (K - 1 - j), mask=col < C, other=0.0).to(ACC)
            if j == 0:
                for k in tl.static_range(K):
                    x = _input_at(x_b, tail_b, x_stride_t, time, k - (K - 1), T, col, C, K, TAIL, ACC)
                    partial += tl.where(row == k, tl.sum(g * x, axis=0)[None, :], 0.0)
                if BIAS:
                    partial += tl.where(row == K, tl.sum(g, axis=0)[None, :], 0.0)
        grad_x_at = grad_x_ptr + (batch * T + time) * C + col
        tl.store(grad_x_at, grad_x.to(grad_x_ptr.dtype.element_ty), mask=(time >= 0) & (time < T) & (col < C))
        if TAIL:
            grad_tail_at = grad_tail_ptr + (batch * (K - 1) + time + (K - 1)) * C + col
            tl.store(grad_tail_at, grad_x.to(grad_tail_ptr.dtype.element_ty), mask=(time < 0) & (col < C))
    partial_at = partial_ptr + (tl.program_id(0) * (K + 1) + row).to(tl.int64) * C + col
    tl.store(partial_at, partial, mask=(row <= K) & (col < C))


# ---------------------------------------------------------------------------------------------- launching


def _triton_runs(x: Tensor, weight: Tensor) -> bool:
    """Whether the kernels take these arguments (else plain torch does)."""
    on_device = x.device.type in ("cuda", "xpu") or (INTERPRETED and x.device.type == "cpu")
    return on_device and weight.shape[1] <= MAX_WIDTH


def _dense(x: Tensor) -> Tensor:
    return x if x.stride(2) == 1 else x.contiguous()


def _launch_forward(
    x: Tensor, weight: Tensor, bias: Tensor | None, tail: Tensor | None, silu: bool
) -> Tensor:
    batch, length, channels = x.shape
    y = x.new_empty(x.shape)
    if y.numel() == 0:
        return y
    x = _dense(x)
    width = weight.shape[1]
    block_t = min(32, triton.next_power_of_2(length))
    block_c = min(64, max(16, triton.next_power_of_2(channels)))
    with torch.cuda.device_of(x):  # type: ignore[no-untyped-call]
        _forward_kernel[(batch * triton.cdiv(length, block_t), triton.cdiv(channels, block_c))](
            x,
            weight.contiguous(),
            weight if bias is None else bias.contiguous(),
            x if tail is None else tail.contiguous(),
            y,
            length,
            channels,
            x.stride(0),
            x.stride(1),
            K=width,
            BIAS=bias is not None,
            TAIL=tail is not None and width > 1,
            SILU=silu,
            ACC=tl.float64 if x.dtype == torch.float64 else tl.float32,
            BLOCK_T=block_t,
            BLOCK_C=block_c,
            num_warps=4 if block_t * block_c >= 1024 else 1,
            enable_fp_fusion=True,
        )
    return y


def _launch_backward(
    grad: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None, tail: Tensor | None, silu: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    batch, length, channels = x.shape
    width = weight.shape[1]
    grad_x = x.new_empty(x.shape)
    grad_tail = x.new_empty(0) if tail is None else tail.new_zeros(tail.shape)
    if grad_x.numel() == 0:
        return grad_x, weight.new_zeros(weight.shape), _zero_bias(bias, x), grad_tail
    x, grad = _dense(x), _dense(grad)
    has_tail = tail is not None and width > 1
    block_t = min(16, triton.next_power_of_2(length))
    block_c = min(64, max(16, triton.next_power_of_2(channels)))
    grid_c = triton.cdiv(channels, block_c)
    tiles = batch * triton.cdiv(length + (width - 1 if has_tail else 0), block_t)
    programs = min(tiles, max(1, _programs(x) // grid_c))
    double = x.dtype == torch.float64
    partial_PKC = x.new_empty(programs, width + 1, channels, dtype=torch.float64 if double else torch.float32)
    with torch.cuda.device_of(x):  # type: ignore[no-untyped-call]
        _backward_kernel[(programs, grid_c)](
            grad,
            x,
            weight.contiguous(),
            weight if bias is None else bias.contiguous(),
            x if tail is None else tail.contiguous(),
            grad_x,
            grad_tail if has_tail else grad_x,
            partial_PKC,
            batch,
            length,
            channels,
            x.stride(0),
            x.stride(1),
            grad.stride(0),
            grad.stride(1),
            K=width,
            BIAS=bias is not None,
            TAIL=has_tail,
            SILU=silu,
            ACC=tl.float64 if double else tl.float32,
            BLOCK_T=block_t,
            BLOCK_C=block_c,
            BLOCK_K=triton.next_power_of_2(width + 1),
            num_warps=4 if block_t * block_c >= 1024 else 1,
            enable_fp_fusion=True,
        )
    sums_KC = partial_PKC.sum(0)
    grad_weight = sums_KC[:width].t().to(weight.dtype).contiguous()
    grad_bias = x.new_empty(0) if bias is None else sums_KC[width].to(bias.dtype, copy=True)
    return grad_x, grad_weight, grad_bias, grad_tail


def _programs(x: Tensor) -> int:
    """Programs that fill the device at 8 a multiprocessor (4 warps each)."""
    if x.device.type == "cuda":
        return int(torch.cuda.get_device_properties(x.device).multi_processor_count) * 8
    return 512 if x.device.type == "xpu" else 4


def _zero_bias(bias: Tensor | None, x: Tensor) -> Tensor:
    return x.new_empty(0) if bias is None else bias.new_zeros(bias.shape)


# ---------------------------------------------------------------------------------------------- plain torch


def _plain_before_activation(
    x: Tensor, weight: Tensor, bias: Tensor | None, tail: Tensor | None
) -> tuple[Tensor, Tensor]:
    """(filtered [B, T, C], the tail and x joined [B, K-1+T, C]) in the wide dtype."""
    wide = torch.float64 if x.dtype == torch.float64 else torch.float32
    batch, length, channels = x.shape
    width = weight.shape[1]
    before = x.new_zeros(batch, width - 1, channels, dtype=wide) if tail is None else tail.to(wide)
    joined = torch.cat([before, x.to(wide)], dim=1)
    pre = joined.new_zeros(x.shape) if bias is None else bias.to(wide).expand(x.shape).contiguous()
    for k in range(width):
        pre = pre + joined[:, k : k + length] * weight[:, k].to(wide)
    return pre, joined


def _plain_forward(x: Tensor, weight: Tensor, bias: Tensor | None, tail: Tensor | None, silu: bool) -> Tensor:
    pre, _ = _plain_before_activation(x, weight, bias, tail)
    return (pre * torch.sigmoid(pre) if silu else pre).to(x.dtype)


def _plain_backward(
    grad: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None, tail: Tensor | None, silu: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    pre, joined = _plain_before_activation(x, weight, bias, tail)
    g = grad.to(pre.dtype)
    if silu:
        sigmoid = torch.sigmoid(pre)
        g = g * sigmoid * (1 + pre * (1 - sigmoid))
    length, width = x.shape[1], weight.shape[1]
    grad_joined = torch.zeros_like(joined)
    grad_weight = torch.zeros_like(weight, dtype=pre.dtype, memory_format=torch.contiguous_format)
    for k in range(width):
        grad_joined[:, k : k + length] += g * weight[:, k].to(pre.dtype)
        grad_weight[:, k] = (g * joined[:, k : k + length]).sum((0, 1))
    grad_x = grad_joined[:, width - 1 :].to(x.dtype, copy=True).contiguous()
    grad_bias = x.new_empty(0) if bias is None else g.sum((0, 1)).to(bias.dtype)
    grad_tail = (
        x.new_empty(0) if tail is None else grad_joined[:, : width - 1].to(tail.dtype, copy=True).contiguous()
    )
    return grad_x, grad_weight.to(weight.dtype), grad_bias, grad_tail


# ---------------------------------------------------------------------------------------------- custom op


@torch.library.custom_op("blocks::causal_conv1d", mutates_args=())
def _causal_conv1d(x: Tensor, weight: Tensor, bias: Tensor | None, tail: Tensor | None, silu: bool) -> Tensor:
    forward = _launch_forward if _triton_runs(x, weight) else _plain_forward
    return forward(x, weight, bias, tail, silu)


@torch.library.custom_op("blocks::causal_conv1d_backward", mutates_args=())
def _causal_conv1d_backward(
    grad: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None, tail: Tensor | None, silu: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of (x, weight, bias, tail), an empty [0] for those that are absent."""
    backward = _launch_backward if _triton_runs(x, weight) else _plain_backward
    return backward(grad, x, weight, bias, tail, silu)


@_causal_conv1d.register_fake
def _causal_conv1d_fake(
    x: Tensor, weight: Tensor, bias: Tensor | None, tail: Tensor | None, silu: bool
) -> Tensor:
    return x.new_empty(x.shape)


@_causal_conv1d_backward.register_fake
def _causal_conv1d_backward_fake(
    grad: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None, tail: Tensor | None, silu: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    grad_bias = x.new_empty(0) if bias is None else bias.new_empty(bias.shape)
    grad_tail = x.new_empty(0) if tail is None else tail.new_empty(tail.shape)
    return x.new_empty(x.shape), weight.new_empty(weight.shape), grad_bias, grad_tail


def _save(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    x, weight, bias, tail, ctx.silu = inputs
    ctx.save_for_backward(x, weight, bias, tail)


def _differentiate(ctx, grad):  # type: ignore[no-untyped-def]
    x, weight, bias, tail = ctx.saved_tensors
    grads = torch.ops.blocks.causal_conv1d_backward(grad, x, weight, bias, tail, ctx.silu)
    grad_x, grad_weight, grad_bias, grad_tail = grads
    return grad_x, grad_weight, None if bias is None else grad_bias, None if tail is None else grad_tail, None


_causal_conv1d.register_autograd(_differentiate, setup_context=_save)
