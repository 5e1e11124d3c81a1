"""RNNsearch's decoder.

Shape letters: B batch, T tokens in this call, D width of the input, H hidden units, S tokens of the memory,
M its width, P width of its projected keys.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .kernels import over_time
from .module import GatedRecurrence


class BahdanauState(NamedTuple):
    """What RNNsearch's decoder remembers: its hidden units and the whole memory."""

    hidden: Tensor  # [B, H]
    keys: Tensor | None  # [B, S, P], projected; None: the score reads the annotations themselves
    annotations: Tensor  # [B, S, M], 0 at padding
    mask: Tensor | None  # bool [B, S], true at real annotations; None: all are
    context: Tensor | None = None  # [B, M], where `readout` is groundhog
    begun: Tensor | None = None  # bool [B], whether there was a token, where `readout` is groundhog


class Bahdanau(nn.Module):
    """A gated recurrent unit that looks through a memory at every token: RNNsearch's decoder.

    Bahdanau et al. 2014, arXiv:1409.0473, appendix A.2.2, with annotations h_j = [forward; backward]:

    s_0 = tanh(W_s (backward half of h_1)),  c_i = Σ_j softmax_j(score(s_{i-1}, h_j)) h_j
    s_i = GRU(s_{i-1}, W x_i + C c_i), where x_i is the embedding of the word before, E y_{i-1}
    y_i = [s_{i-1}; x_i; c_i], which the output layer t~_i = U_o s_{i-1} + V_o E y_{i-1} + C_o c_i reads

    `readout` "current" reads s_i instead, as equation 4 of section 3.1 does. "groundhog" is the order of the
    authors' code (GroundHog, experiments/nmt/encdec.py): s takes in x_i with the context before, s_i =
    GRU(s_{i-1}, W x_i + C c_{i-1}), then looks up c_i with s_i, and y_i = [s_i; x_i; c_i]; the first token
    finds s_0 untouched and reads 0 for x_1. `in_proj` holds the rows of W_r, W_z and W, `context_proj`
    those of C_r, C_z and C.

    forward(x, state=None, mask=None, memory=None) -> (y, state): x [B, T, D], y [B, T, H + D + M], mask bool
    [B, T]; memory: annotations [B, S, M] and mask bool [B, S] or None, read where there is no state.
    Raises ValueError without both, and for masks of int64: it cannot keep packed documents apart.
    """

    def __init__(
        self,
        d_model: int,
        *,
        hidden: int,
        d_memory: int,
        score: nn.Module,
        readout: str = "previous",
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.hidden, self.d_memory, self.readout = hidden, d_memory, readout
        self.score: Any = score
        self.start_proj = nn.Linear(d_memory // 2, hidden, bias=bias)
        self.in_proj = nn.Linear(d_model, 3 * hidden, bias=bias)
        self.context_proj = nn.Linear(d_memory, 3 * hidden, bias=False)
        self.recurrence = GatedRecurrence(hidden)

    def forward(
        self,
        x: Tensor,
        state: BahdanauState | None = None,
        mask: Tensor | None = None,
        memory: tuple[Tensor, Tensor | None] | None = None,
    ) -> tuple[Tensor, BahdanauState]:
        for given in (mask, None if memory is None else memory[1]):
            if given is not None and given.dtype != torch.bool:
                raise ValueError("this decoder cannot keep packed documents apart: masks are bool")
        if state is None:
            if memory is None:
                raise ValueError("the first call needs a memory: its annotations and their mask")
            state = self.start(*memory)
        s, keys, annotations, real, context, begun = state
        gates = self.in_proj(x)  # [B, T, 3H]
        if context is None or begun is None:

            def step(state: Any, gates: Tensor, x: Tensor) -> Any:
                s = state[0]
                c = self.attend(s, keys, annotations, real)
                new = self.recurrence(s, gates + self.context_proj(c))
                return torch.cat((new if self.readout == "current" else s, x, c), dim=-1), (new,)

            y, (s,) = over_time(step, (s,), (gates, x), mask)
            return y, state._replace(hidden=s)

        def late_step(state: Any, gates: Tensor, x: Tensor, begun: Tensor) -> Any:
            s, c = state
            s = torch.where(begun, self.recurrence(s, gates + self.context_proj(c)), s)
            c = self.attend(s, keys, annotations, real)
            return torch.cat((s, x * begun, c), dim=-1), (s, c)

        now = x.new_ones(x.shape[:2], dtype=torch.bool) if mask is None else mask
        ever = torch.cat((begun[:, None], now), dim=1).cumsum(dim=1) > 0  # [B, 1 + T]
        y, (s, context) = over_time(late_step, (s, context), (gates, x, ever[:, :-1, None]), mask)
        return y, state._replace(hidden=s, context=context, begun=ever[:, -1])

    def start(self, annotations: Tensor, real: Tensor | None) -> BahdanauState:
        """The state before the first token, from annotations [B, S, M] and their mask bool [B, S]."""
        if real is None:
            first = annotations[:, :1].sum(dim=1)
        else:
            annotations = annotations.masked_fill(~real[..., None], 0)
            first = (annotations * (real & (real.cumsum(dim=1) == 1))[..., None]).sum(dim=1)
        s = torch.tanh(self.start_proj(first[:, self.d_memory // 2 :]))
        keys = self.score.keys(annotations)
        state = BahdanauState(s, None if keys is annotations else keys, annotations, real)
        if self.readout != "groundhog":
            return state
        begun = torch.zeros_like(s[:, 0], dtype=torch.bool)
        return state._replace(context=torch.zeros_like(first), begun=begun)

    def attend(self, s: Tensor, keys: Tensor | None, annotations: Tensor, real: Tensor | None) -> Tensor:
        """The context [B, M] of states s [B, H]: 0 where no annotation is real."""
        scores = self.score(s[:, None], annotations if keys is None else keys)  # [B, 1, S]
        if real is None:
            weights = scores.softmax(dim=-1)
        else:
            weights = scores.masked_fill(~real[:, None], torch.finfo(scores.dtype).min).softmax(dim=-1)
            weights = weights * real[:, None]
        return torch.bmm(weights.to(annotations.dtype), annotations)[:, 0]
