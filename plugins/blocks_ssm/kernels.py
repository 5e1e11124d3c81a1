"""State-space operations in plain PyTorch: short convolution, SSD (Mamba-2) and selective scan (Mamba).

Shape letters: B batch, T tokens, H heads, P head_dim, G groups, R = H / G heads a group, N d_state,
C channels, K width of the convolution, L tokens a chunk.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._higher_order_ops.scan import scan
from torch.utils.checkpoint import checkpoint


def causal_conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    tail: Tensor | None = None,
    activation: str | None = "silu",
) -> Tensor:
    """Convolve every channel with its own K taps, over this and the K - 1 inputs before it.

    x [B, T, C]; weight [C, K], the last tap meets the present input; bias [C] or None; tail [B, K-1, C],
    the inputs before x, or None for zeros; activation "silu" or None. Returns [B, T, C] in the dtype of x.
    """
    T, K = x.shape[1], weight.shape[1]
    if T == 0:
        return torch.zeros_like(x)
    window = F.pad(x, (0, 0, K - 1, 0)) if tail is None else torch.cat([tail, x], dim=1)
    if T == 1:
        y = (window * weight.t()).sum(dim=1, keepdim=True)
        y = y if bias is None else y + bias
    else:  # an image of one row in channels-last layout: nothing is transposed, and it is the fastest
        image = window.transpose(1, 2).unsqueeze(2)
        y = F.conv2d(image, weight[:, None, None], bias, groups=weight.shape[0]).squeeze(2).transpose(1, 2)
    return F.silu(y) if activation == "silu" else y


def packed_conv1d(x: Tensor, weight: Tensor, bias: Tensor | None, starts: Tensor) -> Tensor:
    """`causal_conv1d` with silu of packed documents: a tap meets inputs of its own document, and else 0.

    starts bool [B, T], true at the first token of each document.
    """
    T, K = x.shape[1], weight.shape[1]
    document = starts.cumsum(dim=1)
    y = x * weight[:, -1]
    for back in range(1, K):
        before = F.pad(document, (back, 0), value=-1)[:, :T]
        earlier = F.pad(x, (0, 0, back, 0))[:, :T].masked_fill((before != document)[..., None], 0)
        y = torch.addcmul(y, earlier, weight[:, K - 1 - back])
    return F.silu(y if bias is None else y + bias)


def ssd_scan(
    x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, state: Tensor | None = None, chunk_size: int = 64
) -> tuple[Tensor, Tensor]:
    """State-space duality: h_t = exp(dt_t A) h_{t-1} + dt_t x_t B_tᵀ, y_t = h_t C_t, a state h [P, N] a head.

    x [B, T, H, P]; dt [B, T, H], positive, 0 at a token to be passed over; A [H], negative; B and C
    [B, T, G, N]; state [B, H, P, N] or None for zeros. Returns y [B, T, H, P] in the dtype of x and the last
    state in fp32 (fp64 for fp64 inputs). chunk_size changes the speed, not the result; memory is linear in T.

    Dao and Gu, 2024, arXiv:2405.21060, section 6: matrix products as in attention inside a chunk, and the
    recurrence from chunk to chunk. C·Bᵀ is formed once a group, whose heads share the products with B and C.
    """
    b, _, H, P = x.shape
    dtype = torch.promote_types(x.dtype, torch.float32)
    state = x.new_zeros(b, H, P, B.shape[-1], dtype=dtype) if state is None else state.to(dtype)
    inputs = (x.to(dtype), dt.to(dtype), B.to(dtype), C.to(dtype))
    A = A.to(dtype)

    def chunk(h: Tensor, x: Tensor, dt: Tensor, B: Tensor, C: Tensor) -> tuple[Tensor, Tensor]:
        return ssd_chunk(x, dt, A, B, C, h)

    y, state = over_chunks(chunk, state, inputs, chunk_size)
    return y.to(x.dtype), state


def packed_ssd_scan(
    x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, starts: Tensor, chunk_size: int = 64
) -> Tensor:
    """The y of `ssd_scan` of packed documents: h is 0 before the first token of each; starts bool [B, T]."""
    b, _, H, P = x.shape
    dtype = torch.promote_types(x.dtype, torch.float32)
    state = x.new_zeros(b, H, P, B.shape[-1], dtype=dtype)
    inputs = (x.to(dtype), dt.to(dtype), B.to(dtype), C.to(dtype), starts)
    A = A.to(dtype)

    def chunk(
        h: Tensor, x: Tensor, dt: Tensor, B: Tensor, C: Tensor, starts: Tensor
    ) -> tuple[Tensor, Tensor]:
        return ssd_chunk(x, dt, A, B, C, h, starts)

    y, _ = over_chunks(chunk, state, inputs, chunk_size)
    return y.to(x.dtype)


def ssd_chunk(
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    state: Tensor,
    starts: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """`ssd_scan` of few tokens, in work and memory quadratic in their number."""
    b, L, H, P = x.shape
    G, N = B.shape[2:]
    B, C = B.transpose(1, 2), C.transpose(1, 2)  # [B, G, L, N]
    scores = C @ B.mT
    if starts is None:
        scores = scores.tril()
        log_decay = (dt * A).cumsum(dim=1)  # [B, L, H], from the start of the chunk
        from_start, to_end = log_decay.exp(), (log_decay[:, -1:] - log_decay).exp()
    else:  # summed by document, as a difference of sums would leave gradients of rounding errors across
        nth = starts.cumsum(dim=1)  # documents that have started in this chunk
        same = (nth[:, :, None] == nth[:, None, :]).tril()  # [B, L, L]
        scores = scores.masked_fill(~same[:, None], 0)
        log_decay = torch.where(same[..., None], (dt * A)[:, None], 0).sum(dim=2)
        from_start = log_decay.exp() * (nth == 0)[..., None]
        to_end = (log_decay[:, -1:] - log_decay).clamp(max=0).exp() * (nth == nth[:, -1:])[..., None]
    log_decay_BHL = log_decay.transpose(1, 2)

    # Inside: y_l = Σ_{s<=l} (C_l·B_s) exp(log_decay_l - log_decay_s) dt_s x_s. The clamp touches s > l and
    # other documents only, where the score is 0, so that no exponential overflows.
    decay = (log_decay_BHL[..., :, None] - log_decay_BHL[..., None, :]).clamp_(max=0).exp_()  # [B, H, L, L]
    mixing = decay.view(b, G, H // G, L, L) * scores[:, :, None]
    fed = x * dt[..., None]
    inside = mixing.flatten(1, 2) @ fed.transpose(1, 2)  # [B, H, L, P]

    # What the entering state adds to the outputs, and what the chunk makes of the state.
    entering = (C @ state.reshape(b, G, H // G * P, N).mT).transpose(1, 2).reshape(b, L, H, P)
    y = torch.addcmul(inside.transpose(1, 2), entering, from_start[..., None])
    added = (fed * to_end[..., None]).reshape(b, L, G, H // G * P).transpose(1, 2).mT @ B  # [B, G, R P, N]
    return y, torch.addcmul(added.reshape(b, H, P, N), state, from_start[:, -1, :, None, None])


def ssd_step(x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """`ssd_scan` of one token: x [B, H, P], dt [B, H], A [H], B and C [B, G, N], state [B, H, P, N]."""
    b, H, P, N = state.shape
    G = B.shape[1]
    B, C = B[:, :, None].to(state.dtype), C[:, :, None].to(state.dtype)  # [B, G, 1, N]
    fed = (x * dt[..., None]).reshape(b, G, H // G * P, 1)  # [B, G, R P, 1]
    state = (state * (dt * A).exp()[..., None, None]).view(b, G, H // G * P, N).addcmul_(fed, B)
    return (C @ state.mT).view(b, H, P).to(x.dtype), state.view(b, H, P, N)


def selective_scan(
    x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, state: Tensor | None = None, chunk_size: int = 16
) -> tuple[Tensor, Tensor]:
    """Selective scan: h_t = exp(dt_t A) h_{t-1} + dt_t B_t x_t, y_t = C_t·h_t, a state h [N] a channel.

    x [B, T, C]; dt [B, T, C], positive, 0 at a token to be passed over; A [C, N], negative; B and C
    [B, T, N]; state [B, C, N] or None for zeros. Returns y [B, T, C] in the dtype of x and the last state in
    fp32 (fp64 for fp64 inputs). chunk_size changes the speed, not the result: the states of that many tokens
    are in memory at once, never those of all; in training the backward pass computes them again.

    Gu and Dao, 2023, arXiv:2312.00752, equation 2a with the zero-order hold of equation 4 for A. For B that
    equation has (dt A)⁻¹ (exp(dt A) - 1) dt B; its first order dt B is what the authors' code computes and
    the published weights are trained with.
    """
    return selective_chunks(x, dt, A, B, C, state, None, chunk_size)


def packed_selective_scan(
    x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, starts: Tensor, chunk_size: int = 16
) -> Tensor:
    """The y of `selective_scan` of packed documents: h is 0 where each starts; starts bool [B, T]."""
    return selective_chunks(x, dt, A, B, C, None, starts, chunk_size)[0]


def selective_chunks(
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    state: Tensor | None,
    starts: Tensor | None,
    chunk_size: int,
) -> tuple[Tensor, Tensor]:
    """`selective_scan`, or with `starts` that of packed documents, in chunks."""
    dtype = torch.promote_types(x.dtype, torch.float32)
    state = x.new_zeros(x.shape[0], *A.shape, dtype=dtype) if state is None else state.to(dtype)
    inputs = (x.to(dtype), dt.to(dtype), B.to(dtype), C.to(dtype))
    A = A.to(dtype)

    def chunk(
        h: Tensor, x: Tensor, dt: Tensor, B: Tensor, C: Tensor, *starts: Tensor
    ) -> tuple[Tensor, Tensor]:
        parts = (x, dt, A, B, C, h, *starts)
        if torch.is_grad_enabled() and not torch.compiler.is_compiling():
            again: tuple[Tensor, Tensor] = checkpoint(selective_chunk, *parts, use_reentrant=False)
            return again
        return selective_chunk(*parts)

    y, state = over_chunks(chunk, state, inputs if starts is None else (*inputs, starts), chunk_size)
    return y.to(x.dtype), state


def selective_chunk(
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    state: Tensor,
    starts: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """`selective_scan` of few tokens, one after the other, holding the states [B, L, C, N] of all."""
    decay = (dt[..., None] * A).exp()
    if starts is not None:
        decay = decay.masked_fill(starts[..., None, None], 0)
    fed = (dt * x)[..., None] * B[:, :, None]
    states = []
    for decay_t, fed_t in zip(decay.unbind(1), fed.unbind(1), strict=True):
        state = torch.addcmul(fed_t, decay_t, state)
        states.append(state)
    return (torch.stack(states, dim=1) @ C[..., None]).squeeze(-1), state


def selective_step(
    x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, state: Tensor
) -> tuple[Tensor, Tensor]:
    """`selective_scan` of one token: x and dt [B, C], A [C, N], B and C [B, N], state [B, C, N]."""
    decay = (dt[..., None] * A).exp()
    state = torch.addcmul((dt * x)[..., None] * B[:, None], decay, state)
    y = (state @ C[..., None].to(state.dtype)).squeeze(-1)
    return y.to(x.dtype), state


def over_chunks(
    step: Callable[..., tuple[Tensor, Tensor]], state: Tensor, inputs: tuple[Tensor, ...], length: int
) -> tuple[Tensor, Tensor]:
    """Run `y, state = step(state, *inputs)` over inputs [B, T, ...], `length` tokens at a time.

    Returns y [B, T, ...] and the last state. A loop; while compiling or exporting one `scan` operator over
    chunks filled up with zeros, so that the graph does not grow with T, which may be symbolic.
    """
    T = inputs[0].shape[1]
    if T == 0:
        return torch.zeros_like(inputs[0]), state
    ys = []
    if not torch.compiler.is_compiling():
        for chunks in zip(*(torch.split(t, length, dim=1) for t in inputs), strict=True):
            y, state = step(state, *chunks)
            ys.append(y)
        return torch.cat(ys, dim=1), state

    inputs = tuple(F.pad(t, (0, 0) * (t.ndim - 2) + (0, 2 * length)) for t in inputs)
    positions = torch.arange(length, device=state.device)

    def at(state: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
        y, state = step(state, *(t.index_select(1, start + positions) for t in inputs))
        return state.contiguous(), y.contiguous()

    result: Any = scan(at, state, torch.arange(0, T + length, length, device=state.device))
    tokens = torch.arange(T, device=state.device)
    return result[1].transpose(0, 1)[:, tokens // length, tokens % length], result[0]
