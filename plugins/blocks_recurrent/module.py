"""Recurrent layers: Elman's, long short-term memory, gated units; and maxout.

Shape letters: B batch, T tokens in this call, D width of the input, H hidden units, P channels of the output.

What is said of all three: forward(x, state=None, mask=None) -> (y, state), x [B, T, D], y [B, T, P], mask
bool [B, T], true at real tokens, or int64, their documents, each of which starts anew. With `reverse` they read
from the last real token to the first, and keep no state. They raise ValueError for a state in reverse, or with
documents, which leave none.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .kernels import gated_step, gru, lstm, rnn


class RNNState(NamedTuple):
    """What Elman's network remembers."""

    hidden: Tensor  # [B, H]


class LSTMState(NamedTuple):
    """What a long short-term memory remembers."""

    hidden: Tensor  # [B, P]
    cell: Tensor  # [B, H], fp32 or better


class GRUState(NamedTuple):
    """What a gated recurrent unit remembers."""

    hidden: Tensor  # [B, H]


class RNN(nn.Module):
    """A simple recurrent network: h_t = activation(W x_t + U h_{t-1} + b), y_t = h_t.

    Elman 1990, Cognitive Science 14:179-211. The weights of torch.nn.RNN are the same ones: weight_ih is
    `in_proj.weight`, weight_hh `recurrence.U`, and its two biases have the sum `recurrence.b`.
    """

    def __init__(
        self,
        d_model: int,
        *,
        hidden: int,
        activation: str = "tanh",
        bias: bool = True,
        reverse: bool = False,
    ) -> None:
        super().__init__()
        self.hidden, self.activation, self.reverse = hidden, activation, reverse
        self.in_proj = GateProjection(d_model, hidden)
        self.recurrence = Recurrence(hidden, bias=bias)

    def forward(
        self, x: Tensor, state: RNNState | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, RNNState | None]:
        x, mask = as_read(x, mask, state, self.reverse)
        real, starts = split_mask(mask, state)
        h = x.new_zeros(x.shape[0], self.hidden) if state is None else state.hidden
        U, b = self.recurrence.U, self.recurrence.b
        y, h = rnn(x, h, self.in_proj.weight, U, b, self.activation, real, starts)
        y = y.flip(1) if self.reverse else y
        return y, None if self.reverse or starts is not None else RNNState(h)


class LSTM(nn.Module):
    """Long short-term memory (Hochreiter and Schmidhuber 1997) with a forget gate (Gers et al. 2000).

    The function `lstm` has the formulas. Rows of the gates are in torch's order: input, forget, new, output.
    The weights of torch.nn.LSTM are the same ones: weight_ih is `in_proj.weight`, weight_hh `recurrence.U`,
    weight_hr `recurrence.projection`, and its two biases have the sum `recurrence.b`.
    """

    def __init__(
        self,
        d_model: int,
        *,
        hidden: int,
        d_proj: int | None = None,
        forget_bias: float = 1.0,
        peepholes: bool = False,
        bias: bool = True,
        reverse: bool = False,
    ) -> None:
        super().__init__()
        self.hidden, self.d_out, self.reverse = hidden, d_proj or hidden, reverse
        self.in_proj = GateProjection(d_model, hidden, gates=4)
        self.recurrence = LongShortTermRecurrence(
            hidden, d_proj=d_proj, forget_bias=forget_bias, peepholes=peepholes, bias=bias
        )

    def forward(
        self, x: Tensor, state: LSTMState | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, LSTMState | None]:
        x, mask = as_read(x, mask, state, self.reverse)
        real, starts = split_mask(mask, state)
        if state is None:
            h = x.new_zeros(x.shape[0], self.d_out)
            c = x.new_zeros(x.shape[0], self.hidden, dtype=torch.promote_types(x.dtype, torch.float32))
        else:
            h, c = state
        r = self.recurrence
        y, h, c = lstm(x, h, c, self.in_proj.weight, r.U, r.b, r.peepholes, r.projection, real, starts)
        y = y.flip(1) if self.reverse else y
        return y, None if self.reverse or starts is not None else LSTMState(h, c)


class GRU(nn.Module):
    """A gated recurrent unit.

    Cho et al. 2014, arXiv:1406.1078, section 2.3, as Bahdanau et al. 2014, arXiv:1409.0473, appendix A
    write it; the function `gated_step` has the formulas. `in_proj` holds the rows of W_r, W_z and W. With
    `reset_after` the weights of torch.nn.GRU are the same ones, but for the sign of the rows of z.
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
        x, mask = as_read(x, mask, state, self.reverse)
        real, starts = split_mask(mask, state)
        h = x.new_zeros(x.shape[0], self.hidden) if state is None else state.hidden
        W, r = self.in_proj, self.recurrence
        y, h = gru(x, h, W.weight, W.bias, r.U_gates, r.U, r.b, r.reset_after, real, starts)
        y = y.flip(1) if self.reverse else y
        return y, None if self.reverse or starts is not None else GRUState(h)


class BothWays(nn.Module):
    """Two recurrent layers, one from the first token on and one from the last token back: y = [ahead; back].

    Schuster and Paliwal 1997, IEEE Transactions on Signal Processing 45:2673-2681; Bahdanau et al. 2014,
    arXiv:1409.0473, appendix A.2.1.

    forward(x, state=None, mask=None) -> (y, None): x [B, T, D], y [B, T, 2P], mask bool [B, T], true at real
    tokens, or int64, their documents. Raises ValueError for a state: it needs the whole sequence at once.
    """

    def __init__(self, ahead: nn.Module, back: nn.Module) -> None:
        super().__init__()
        self.ahead, self.back = ahead, back

    def forward(self, x: Tensor, state: None = None, mask: Tensor | None = None) -> tuple[Tensor, None]:
        if state is not None:
            raise ValueError("what reads both ways keeps no state: give it the whole sequence at once")
        return torch.cat((self.ahead(x, None, mask)[0], self.back(x, None, mask)[0]), dim=-1), None


class GateProjection(nn.Linear):
    """The inputs of `gates` times `hidden` units, without a bias: the recurrence has it."""

    def __init__(self, d_model: int, hidden: int, gates: int = 1) -> None:
        super().__init__(d_model, gates * hidden, bias=False)
        self.gates = gates

    @torch.no_grad()
    def init_weights(self, generator: torch.Generator) -> None:
        """Uniform between ± sqrt(6 / (D + H)), gate by gate: Glorot and Bengio 2010, equation 16."""
        D, H = self.in_features, self.out_features // self.gates
        drawn = torch.rand(self.weight.shape, generator=generator)
        self.weight.copy_((2 * drawn - 1) * (6 / (D + H)) ** 0.5)


class Recurrence(nn.Module):
    """What Elman's network multiplies its own state with, U [H, H], and the bias b [H]."""

    def __init__(self, hidden: int, *, bias: bool = True) -> None:
        super().__init__()
        self.U = nn.Parameter(torch.empty(hidden, hidden))
        self.b = nn.Parameter(torch.empty(hidden)) if bias else None

    @torch.no_grad()
    def init_weights(self, generator: torch.Generator) -> None:
        """A random orthogonal matrix: it keeps the length of the state. Saxe et al. 2013, arXiv:1312.6120."""
        self.U.copy_(orthogonal(self.U, generator))
        if self.b is not None:
            self.b.zero_()


class LongShortTermRecurrence(nn.Module):
    """What a long short-term memory holds beside the map of its inputs: the arguments of `lstm`."""

    def __init__(
        self,
        hidden: int,
        *,
        d_proj: int | None = None,
        forget_bias: float = 1.0,
        peepholes: bool = False,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.forget_bias = forget_bias
        self.U = nn.Parameter(torch.empty(4 * hidden, d_proj or hidden))
        self.b = nn.Parameter(torch.empty(4 * hidden)) if bias else None
        self.peepholes = nn.Parameter(torch.empty(3, hidden)) if peepholes else None
        self.projection = nn.Parameter(torch.empty(d_proj, hidden)) if d_proj is not None else None

    @torch.no_grad()
    def init_weights(self, generator: torch.Generator) -> None:
        """Random orthogonal matrices, one a gate; biases 0 but for the forget gate's, `forget_bias`.

        Jozefowicz et al. 2015, ICML, section 2.2: a forget gate that starts open lets gradients through.
        """
        for weight in self.U.chunk(4):
            weight.copy_(orthogonal(weight, generator))
        if self.projection is not None:
            self.projection.copy_(orthogonal(self.projection, generator))
        if self.peepholes is not None:
            self.peepholes.zero_()
        if self.b is not None:
            for rows, value in zip(self.b.chunk(4), (0.0, self.forget_bias, 0.0, 0.0), strict=True):
                rows.fill_(value)


class GatedRecurrence(nn.Module):
    """One step of a gated recurrent unit, without what its inputs add to the gates.

    The function `gated_step` has the formulas. `U_gates` holds the rows of r, then z.

    forward(h, x) -> h': h [B, H]; x [B, 3H], x_r, x_z and x_h side by side.
    """

    def __init__(self, hidden: int, *, reset_after: bool = False, bias: bool = True) -> None:
        super().__init__()
        self.reset_after = reset_after
        self.U_gates = nn.Parameter(torch.empty(2 * hidden, hidden))
        self.U = nn.Parameter(torch.empty(hidden, hidden))
        self.b = nn.Parameter(torch.empty(hidden)) if reset_after and bias else None

    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        return gated_step(h, x, self.U_gates, self.U, self.b, self.reset_after)

    @torch.no_grad()
    def init_weights(self, generator: torch.Generator) -> None:
        """Random orthogonal matrices, as in Bahdanau et al. 2014, appendix B.1."""
        for weight in (*self.U_gates.chunk(2), self.U):
            weight.copy_(orthogonal(weight, generator))
        if self.b is not None:
            self.b.zero_()


def orthogonal(weight: Tensor, generator: torch.Generator) -> Tensor:
    """A random matrix of the shape of `weight` with orthonormal rows, or columns where there are fewer."""
    return nn.init.orthogonal_(torch.empty(weight.shape, device="cpu"), generator=generator)


def as_read(x: Tensor, mask: Tensor | None, state: Any, reverse: bool) -> tuple[Tensor, Tensor | None]:
    """x and its mask in the order of reading. Raises ValueError for a state of what reads in reverse."""
    if not reverse:
        return x, mask
    if state is not None:
        raise ValueError("what reads backwards keeps no state: give it the whole sequence at once")
    return x.flip(1), None if mask is None else mask.flip(1)


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
