"""Recurrence over time in plain PyTorch: a loop of any step, and Elman's, long short-term and gated units.

Shape letters: B batch, T tokens, D width of the input, H hidden units, P channels of the output (H, or fewer
where they are projected).

The ops `rnn`, `lstm` and `gru` read `real` bool [B, T], true at real tokens, or None for all of them, and
`starts` bool [B, T], true at tokens that find no state, or None for none; outputs are 0 at padding. Products
have the dtype of x, and what is between them is fp32 or better, as rounding adds up over time.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._higher_order_ops.scan import scan


def over_time(
    step: Callable[..., Any],
    state: tuple[Tensor, ...],
    inputs: tuple[Tensor, ...],
    mask: Tensor | None = None,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run `y, state = step(state, *inputs)`, a token at a time, over inputs [B, T, ...].

    mask bool [B, T]: where it is false the state stays as it was. Returns y [B, T, ...] and the last state.
    A loop; while compiling or exporting one `scan` operator, so that the graph does not grow with T, which
    may be symbolic.
    """
    T = inputs[0].shape[1]
    if T == 0:
        y, _ = step(state, *(t.new_zeros(t.shape[0], *t.shape[2:]) for t in inputs))
        return y[:, None][:, :0], state
    if T == 1 or not torch.compiler.is_compiling():
        ys = []
        for t, each in enumerate(zip(*(parts.unbind(dim=1) for parts in inputs), strict=True)):
            y, new = step(state, *each)
            state = new if mask is None else keep(mask[:, t], new, state)
            ys.append(y)
        return torch.stack(ys, dim=1), state

    # The operator asks for two tokens at least: one of padding follows.
    real = inputs[0].new_ones(inputs[0].shape[:2], dtype=torch.bool) if mask is None else mask
    padded = (F.pad(real, (0, 1)), *(F.pad(t, (0, 0) * (t.ndim - 2) + (0, 1)) for t in inputs))

    def one(state: Any, inputs: Any) -> Any:
        y, new = step(state, *inputs[1:])
        return tuple(s.clone() for s in keep(inputs[0], new, state)), y.clone()

    result: Any = scan(one, state, tuple(t.transpose(0, 1) for t in padded))
    return result[1].transpose(0, 1)[:, :T], result[0]


def keep(real: Tensor, new: tuple[Tensor, ...], old: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Rows of `new` where `real` [B] is true, of `old` elsewhere; each [B, channels]."""
    return tuple(torch.where(real[:, None], a, b) for a, b in zip(new, old, strict=True))


def rnn(
    x: Tensor,
    h: Tensor,
    W: Tensor,
    U: Tensor,
    bias: Tensor | None = None,
    activation: str = "tanh",
    real: Tensor | None = None,
    starts: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Elman's network: h_t = activation(W x_t + U h_{t-1} + b). Elman 1990, Cognitive Science 14:179-211.

    x [B, T, D]; h [B, H], before the first token; W [H, D]; U [H, H]; bias [H] or None; activation "tanh" or
    "relu". Returns h_1 to h_T [B, T, H] and the last one [B, H].
    """
    dtype = torch.promote_types(x.dtype, torch.float32)

    def step(state: Any, fed: Tensor, *start: Tensor) -> Any:
        (h,) = kept(state, start)
        new = fed.to(dtype) + F.linear(h, U)
        h = (torch.tanh(new) if activation == "tanh" else torch.relu(new)).to(h.dtype)
        return h, (h,)

    y, (h,) = over_time(step, (h,), timed(F.linear(x, W, bias), starts), real)
    return at_real(y, real), h


def lstm(
    x: Tensor,
    h: Tensor,
    c: Tensor,
    W: Tensor,
    U: Tensor,
    bias: Tensor | None = None,
    peepholes: Tensor | None = None,
    projection: Tensor | None = None,
    real: Tensor | None = None,
    starts: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Long short-term memory: a cell c that is written, kept and read through gates.

    i = σ(W_i x + U_i h + b_i + p_i ∘ c),  f = σ(W_f x + U_f h + b_f + p_f ∘ c)
    g = tanh(W_g x + U_g h + b_g),  c' = f ∘ c + i ∘ g
    o = σ(W_o x + U_o h + b_o + p_o ∘ c'),  h' = R (o ∘ tanh(c'))

    Hochreiter and Schmidhuber 1997, Neural Computation 9:1735-1780, with the forget gate f of Gers et al.
    2000, Neural Computation 12:2451-2471. The peepholes p are those of Gers and Schmidhuber 2000, IJCNN
    3:189-194; the projection R is that of Sak et al. 2014, arXiv:1402.1128, equation 6.

    x [B, T, D]; h [B, P] and c [B, H], before the first token; rows of i, f, g and o one after another, as
    in torch: W [4H, D], U [4H, P], bias [4H] or None; peepholes [3, H] of i, f and o or None; projection
    [P, H] or None, P is H then. Returns h_1 to h_T [B, T, P], the last one [B, P] and the last c [B, H], in
    fp32 or better.
    """
    dtype = torch.promote_types(x.dtype, torch.float32)

    def step(state: Any, fed: Tensor, *start: Tensor) -> Any:
        h, c = kept(state, start)
        i, f, g, o = (fed.to(dtype) + F.linear(h, U)).chunk(4, dim=-1)
        if peepholes is not None:
            i, f = i + peepholes[0] * c, f + peepholes[1] * c
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        if peepholes is not None:
            o = o + peepholes[2] * c
        y = (o.sigmoid() * c.tanh()).to(h.dtype)
        h = y if projection is None else F.linear(y, projection)
        return h, (h, c)

    y, (h, c) = over_time(step, (h, c.to(dtype)), timed(F.linear(x, W, bias), starts), real)
    return at_real(y, real), h, c


def gru(
    x: Tensor,
    h: Tensor,
    W: Tensor,
    bias: Tensor | None,
    U_gates: Tensor,
    U: Tensor,
    b: Tensor | None = None,
    reset_after: bool = False,
    real: Tensor | None = None,
    starts: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Gated recurrent units: `gated_step` over time, of W x + bias.

    x [B, T, D]; h [B, H], before the first token; W [3H, D] and bias [3H] or None, rows of r, z and h~ one
    after another; the others as in `gated_step`. Returns h_1 to h_T [B, T, H] and the last one [B, H].
    """

    def step(state: Any, fed: Tensor, *start: Tensor) -> Any:
        (h,) = kept(state, start)
        h = gated_step(h, fed, U_gates, U, b, reset_after)
        return h, (h,)

    y, (h,) = over_time(step, (h,), timed(F.linear(x, W, bias), starts), real)
    return at_real(y, real), h


def gated_step(
    h: Tensor, x: Tensor, U_gates: Tensor, U: Tensor, b: Tensor | None, reset_after: bool
) -> Tensor:
    """One step of gated recurrent units, without what their inputs add to the gates:

    r = σ(x_r + U_r h),  z = σ(x_z + U_z h),  h~ = tanh(x_h + U (r ∘ h)),  h' = (1 - z) ∘ h + z ∘ h~

    Bahdanau et al. 2014, arXiv:1409.0473, appendix A.1.1: z is the share of the new. In Cho et al. 2014,
    arXiv:1406.1078, equation 7, in torch and in Keras it is that of the old; since σ(-a) = 1 - σ(a), the
    rows of z change their sign between the two. `reset_after` gates the product instead, as cuDNN and
    torch.nn.GRU do: h~ = tanh(x_h + r ∘ (U h + b)).

    h [B, H]; x [B, 3H], x_r, x_z and x_h side by side; U_gates [2H, H], rows of r, then z; U [H, H]; b [H] or
    None. Returns h' [B, H].
    """
    H, dtype = h.shape[-1], torch.promote_types(h.dtype, torch.float32)
    x_gates, x_new = torch.split(x.to(dtype), [2 * H, H], dim=-1)
    r, z = (x_gates + F.linear(h, U_gates)).sigmoid().chunk(2, dim=-1)
    if reset_after:
        new = torch.tanh(x_new + r * F.linear(h, U, b))
    else:
        new = torch.tanh(x_new + F.linear((r * h).to(h.dtype), U))
    return torch.lerp(h.to(dtype), new, z).to(h.dtype)


def at_real(y: Tensor, real: Tensor | None) -> Tensor:
    """y [B, T, P], 0 at padding."""
    return y if real is None else y.masked_fill(~real[..., None], 0)


def timed(fed: Tensor, starts: Tensor | None) -> tuple[Tensor, ...]:
    """What a step reads of each token."""
    return (fed,) if starts is None else (fed, starts)


def kept(state: tuple[Tensor, ...], start: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The state that a token finds: none where it starts a document; start: bool [B], or nothing."""
    return tuple(s.masked_fill(start[0][:, None], 0) for s in state) if start else state
