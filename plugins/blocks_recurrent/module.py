"""Gated recurrent units and maxout.

Shape letters: B batch, T tokens in this call, D width of the input, H hidden units.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .kernels import over_time


class GRUState(NamedTuple):
    """What a gated recurrent unit remembers."""

    hidden: Tensor  # [B, H]


class GatedRecurrence(nn.Module):
    """One step of a gated recurrent unit, without what its inputs add to the gates:

    r = σ(x_r + U_r h),  z = σ(x_z + U_z h),  h~ = tanh(x_h + U (r ∘ h)),  h' = (1 - z) ∘ h + z ∘ h~

    Bahdanau et al. 2014, arXiv:1409.0473, appendix A.1.1: z is the share of the new. In Cho et al. 2014,
    arXiv:1406.1078, equation 7, in torch and in Keras it is that of the old; since σ(-a) = 1 - σ(a), the
    rows of z change their sign between the two. `reset_after` gates the product instead, as cuDNN and
    torch.nn.GRU do: h~ = tanh(x_h + r ∘ (U h + b)). `U_gates` holds the rows of r, then z. Products have the
    dtype of h, and what is between them is fp32 or better, as rounding adds up over time.

    forward(h, x) -> h': h [B, H]; x [B, 3H], x_r, x_z and x_h side by side.
    """

    def __init__(self, hidden: int, *, reset_after: bool = False, bias: bool = True) -> None:
        super().__init__()
        self.reset_after = reset_after
        self.U_gates = nn.Parameter(torch.empty(2 * hidden, hidden))
        self.U = nn.Parameter(torch.empty(hidden, hidden))
        self.b = nn.Parameter(torch.empty(hidden)) if reset_after and bias else None

    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        H, dtype = h.shape[-1], torch.promote_types(h.dtype, torch.float32)
        x_gates, x_new = torch.split(x.to(dtype), [2 * H, H], dim=-1)
        r, z = (x_gates + F.linear(h, self.U_gates)).sigmoid().chunk(2, dim=-1)
        if self.reset_after:
            new = torch.tanh(x_new + r * F.linear(h, self.U, self.b))
        else:
            new = torch.tanh(x_new + F.linear((r * h).to(h.dtype), self.U))
        return torch.lerp(h.to(dtype), new, z).to(h.dtype)

    @torch.no_grad()
    def init_weights(self, generator: torch.Generator) -> None:
        """Random orthogonal matrices, as in Bahdanau et al. 2014, appendix B.1."""
        H = self.U.shape[0]
        for weight in (self.U_gates[:H], self.U_gates[H:], self.U):
            weight.copy_(nn.init.orthogonal_(torch.empty(H, H), generator=generator))
        if self.b is not None:
            self.b.zero_()


class GRU(nn.Module):
    """A gated recurrent unit from the first token to the last, or with `reverse` from the last to the first.

    Cho et al. 2014, arXiv:1406.1078, section 2.3, as Bahdanau et al. 2014, arXiv:1409.0473, appendix A
    write it. `in_proj` holds the rows of W_r, W_z and W. In reverse it starts at the last real token and
    keeps no state.

    forward(x, state=None, mask=None) -> (y, state): x [B, T, D], y [B, T, H], mask bool [B, T], true at real
    tokens, or int64, their documents, each of which starts anew. Raises ValueError for a state in reverse, or
    with documents, which leave none.
    """

    def __init__(
        self,
        d_model: int,
        *,
        hidden: int,
        reset_after: bool = False,
        bias: bool = True,
        reverse: bool = False,
    ) -> None:
        super().__init__()
        self.hidden = hidden
        self.reverse = reverse
        self.in_proj = nn.Linear(d_model, 3 * hidden, bias=bias)
        self.recurrence = GatedRecurrence(hidden, reset_after=reset_after, bias=bias)

    def forward(
        self, x: Tensor, state: GRUState | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, GRUState | None]:
        if self.reverse:
            if state is not None:
                raise ValueError("a backward GRU keeps no state: give it the whole sequence at once")
            x, mask = x.flip(1), None if mask is None else mask.flip(1)
        real, starts = split_mask(mask, state)
        x = self.in_proj(x)  # [B, T, 3H]
        h = x.new_zeros(x.shape[0], self.hidden) if state is None else state.hidden

        def step(state: Any, x: Tensor, *start: Tensor) -> Any:
            h = state[0].masked_fill(start[0][:, None], 0) if start else state[0]
            h = self.recurrence(h, x)
            return h, (h,)

        y, (h,) = over_time(step, (h,), (x,) if starts is None else (x, starts), real)
        y = y.flip(1) if self.reverse else y
        return y, None if self.reverse or starts is not None else GRUState(h)


class BidirectionalGRU(nn.Module):
    """A GRU in each direction, side by side: y = [ahead; back].

    Bahdanau et al. 2014, arXiv:1409.0473, section 3.2 and appendix A.2.1.

    forward(x, state=None, mask=None) -> (y, None): x [B, T, D], y [B, T, 2H], mask bool [B, T], true at real
    tokens, or int64, their documents. Raises ValueError for a state: it needs the whole sequence at once.
    """

    def __init__(self, d_model: int, *, hidden: int, reset_after: bool = False, bias: bool = True) -> None:
        super().__init__()
        self.ahead = GRU(d_model, hidden=hidden, reset_after=reset_after, bias=bias)
        self.back = GRU(d_model, hidden=hidden, reset_after=reset_after, bias=bias, reverse=True)

    def forward(self, x: Tensor, state: None = None, mask: Tensor | None = None) -> tuple[Tensor, None]:
        if state is not None:
            raise ValueError("a bidirectional GRU keeps no state: give it the whole sequence at once")
        return torch.cat((self.ahead(x, None, mask)[0], self.back(x, None, mask)[0]), dim=-1), None


def split_mask(mask: Tensor | None, state: Any) -> tuple[Tensor | None, Tensor | None]:
    """Return bool [B, T], true at real tokens, or None, and of packed documents where each one starts.

    A mask of int64 numbers the documents from 1 on, 0 at padding; a document is a run of one number, which
    padding does not end. Raises ValueError for documents and a state: they are given whole.
    """
    if mask is None or mask.dtype == torch.bool:
        return mask, None
    if state is not None:
        raise ValueError("packed documents are given whole, without a state: start with state=None")
    return mask > 0, document_starts(mask)


def document_starts(documents: Tensor) -> Tensor:
    """Return bool [B, T], true at the first token of each document; documents int64 [B, T], 0 at padding."""
    place = torch.arange(documents.shape[1], device=documents.device)
    latest = torch.where(documents > 0, place, 0).cummax(dim=1).values  # the last real token up to each
    before = documents.gather(1, latest)[:, :-1]
    before = torch.cat((torch.zeros_like(documents[:, :1]), before), dim=1)
    return (documents > 0) & (documents != before)


class Maxout(nn.Module):
    """Each output is the greatest of `pieces` linear maps. Goodfellow et al. 2013, arXiv:1302.4389, section
    3.

    Output j reads rows pieces·j to pieces·j + pieces - 1 of `in_proj`, as Bahdanau et al. 2014,
    arXiv:1409.0473, appendix A.2.2 do with pieces = 2.

    forward(x, state=None, mask=None) -> (y, None): x [B, T, D], y [B, T, d_out]. Tokens are on their own.
    """

    def __init__(self, d_model: int, *, d_out: int, pieces: int = 2, bias: bool = True) -> None:
        super().__init__()
        self.pieces = pieces
        self.in_proj = nn.Linear(d_model, pieces * d_out, bias=bias)

    def forward(self, x: Tensor, state: None = None, mask: Tensor | None = None) -> tuple[Tensor, None]:
        return self.in_proj(x).unflatten(-1, (-1, self.pieces)).amax(dim=-1), None
