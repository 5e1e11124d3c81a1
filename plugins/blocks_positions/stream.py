"""Positions that are added to the residual stream: a learned table, and sinusoids.

Shape letters: B batch, T tokens in this call, D d_model. A position is the number of real tokens before a
token in its row, or in its document where a row packs several, so padding on either side changes nothing at
real tokens.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def count_positions(x: Tensor, seen: Tensor | None, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Return the positions of x's tokens, int64 [T] or [B, T], and the real tokens seen by then, int64 [B].

    x [B, T, D]; seen int64 [B], None: none; mask bool [B, T], true at real tokens, None: all are. Or int64,
    packed documents: the number of each token's from 1 on, 0 at padding; positions start at 0 in each, and
    nothing counts as seen. Raises ValueError for documents after seen tokens.
    """
    B, T, _ = x.shape
    if mask is not None and mask.dtype != torch.bool:
        if seen is not None:
            raise ValueError("packed documents are given whole, without a state: start with state=None")
        rank = (mask > 0).cumsum(dim=1) - 1
        first = torch.where(document_starts(mask), rank, 0).cummax(dim=1).values
        return (rank - first).clamp(min=0), None
    positions = torch.arange(T, device=x.device)
    count = torch.full((B,), T, device=x.device)
    if mask is not None:
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        count = mask.sum(dim=1)
    if seen is not None:
        positions, count = positions + seen[:, None], count + seen
    return positions, count


def document_starts(documents: Tensor) -> Tensor:
    """Return bool [B, T], true at the first token of each document; documents int64 [B, T], 0 at padding."""
    place = torch.arange(documents.shape[1], device=documents.device)
    latest = torch.where(documents > 0, place, 0).cummax(dim=1).values  # the last real token up to each
    before = documents.gather(1, latest)[:, :-1]
    before = torch.cat((torch.zeros_like(documents[:, :1]), before), dim=1)
    return (documents > 0) & (documents != before)


class LearnedPositions(nn.Module):
    """Add a learned vector for each position. Gehring et al. 2017, arXiv:1705.03122, section 3.1; GPT-2.

    The table has `offset` rows before that of position 0, which are never read: BART and OPT have two.
    """

    tables = ("weight",)

    def __init__(self, d_model: int, *, max_len: int, offset: int = 0) -> None:
        super().__init__()
        self.max_len = max_len
        self.offset = offset
        self.weight = nn.Parameter(torch.empty(max_len + offset, d_model))

    def encode(self, positions: Tensor) -> Tensor:
        """Return the vectors [.., D] of positions int64 [..]. Raises IndexError past the table (on a CPU)."""
        return F.embedding(positions + self.offset, self.weight)

    def forward(
        self, x: Tensor, state: Tensor | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Return x [B, T, D] plus the positions' vectors, and the real tokens seen in each row, int64 [B].

        Raises ValueError if T exceeds `max_len`, IndexError if the state carries a row past it, or if a
        packed document is longer.
        """
        packed = mask is not None and mask.dtype != torch.bool
        if not torch.compiler.is_exporting() and x.shape[1] > self.max_len and not packed:
            raise ValueError(
                f"{x.shape[1]} tokens are more than the {self.max_len} learned positions (max_len)"
            )
        positions, state = count_positions(x, state, mask)
        return x + self.encode(positions), state

    def init_weights(self, generator: torch.Generator) -> None:
        """Draw the vectors from a normal distribution of standard deviation 0.02 (GPT-2)."""
        with torch.no_grad():
            self.weight.copy_(torch.randn(self.weight.shape, generator=generator) * 0.02)


class SinusoidalPositions(nn.Module):
    """Add sines and cosines of the position at D/2 geometric wavelengths.

    Vaswani et al. 2017, arXiv:1706.03762, section 3.5: channel 2i is sin(pos / max_period^(2i/D)), 2i + 1 its
    cosine. With `halves` the D/2 sines come first and the cosines after them (Marian).
    """

    def __init__(self, d_model: int, *, max_period: float = 10000.0, halves: bool = False) -> None:
        super().__init__()
        self.d_model = d_model
        self.max_period = max_period
        self.halves = halves
        if d_model % 2:
            raise ValueError(f"d_model must be even for pairs of sine and cosine, not {d_model}")

    def encode(self, positions: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return the sinusoids [.., D] of positions int64 [..], in `dtype`.

        They are worked out in float64, where the device has it: in float32 those of position 2047 would be
        off by 1e-4.
        """
        exact = torch.float32 if positions.device.type == "mps" else torch.float64
        exponent = torch.arange(0, self.d_model, 2, device=positions.device, dtype=exact) / self.d_model
        angle = positions.to(exact)[..., None] / self.max_period**exponent  # [.., D/2]
        pair = (angle.sin().to(dtype), angle.cos().to(dtype))
        return torch.cat(pair, dim=-1) if self.halves else torch.stack(pair, dim=-1).flatten(-2)

    def forward(
        self, x: Tensor, state: Tensor | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Return x [B, T, D] plus the sinusoids, and the real tokens seen in each row, int64 [B]."""
        positions, state = count_positions(x, state, mask)
        waves = self.encode(positions, torch.promote_types(x.dtype, torch.float32))
        return x + waves.to(x.dtype), state
