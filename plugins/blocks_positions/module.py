"""Position encodings: rotary ones for queries and keys, learned and sinusoidal ones for the residual stream.

Shape letters: B batch, T tokens in this call, D d_model, H heads, P head_dim, R rotary_dim. A position is the
number of real tokens before a token in its row, so padding on either side changes nothing at real tokens.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class RoPE(nn.Module):
    """Rotate pairs of query and key channels by angles proportional to the position.

    Su et al. 2021, RoFormer, arXiv:2104.09864, equation 34: pair i of R/2 turns by position * theta^(-2i/R).
    Channel i is paired with i + R/2 (GPT-NeoX, Llama), or 2i with 2i + 1 if `interleaved` (RoFormer, GPT-J).
    Only the first `rotary_dim` channels of a head turn; None: all of them.
    """

    def __init__(
        self,
        head_dim: int,
        *,
        theta: float = 10000.0,
        rotary_dim: int | None = None,
        interleaved: bool = False,
    ) -> None:
        super().__init__()
        self.theta = theta
        self.rotary_dim = head_dim if rotary_dim is None else rotary_dim
        self.interleaved = interleaved
        if self.rotary_dim % 2 or not 0 < self.rotary_dim <= head_dim:
            raise ValueError(
                f"rotary_dim must be even and in 2..{head_dim} (head_dim), not {self.rotary_dim}"
            )

    def frequencies(self, device: torch.device, dtype: torch.dtype) -> Tensor:
        """Return the R/2 rotations per token, in radians."""
        exponent = torch.arange(0, self.rotary_dim, 2, device=device, dtype=dtype) / self.rotary_dim
        return torch.pow(self.theta, exponent).reciprocal()

    def forward(self, q: Tensor, k: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Rotate q [B, T, H, P] and k [B, T, any number of heads, P]; positions int64 [T] or [B, T].

        Angles are computed in fp32 (fp64 for fp64), their cosines and sines rounded to q's dtype.
        """
        dtype = torch.promote_types(q.dtype, torch.float32)
        freq = self.frequencies(q.device, dtype)
        # cos is even and sin odd: the negative angle for the first of a pair gives a rotation's signs
        signed = (-freq, freq)
        freq = torch.stack(signed, dim=-1).flatten() if self.interleaved else torch.cat(signed)
        angle = positions.to(dtype)[..., None, None] * freq  # [T, 1, R] or [B, T, 1, R]
        cos, sin = angle.cos().to(q.dtype), angle.sin().to(q.dtype)
        return self.rotate(q, cos, sin), self.rotate(k, cos, sin)

    def rotate(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Rotate the first R channels of x [B, T, H, P]: x * cos + partner(x) * sin."""
        if x.shape[-1] > self.rotary_dim:
            turned, rest = torch.split(x, [self.rotary_dim, x.shape[-1] - self.rotary_dim], dim=-1)
            return torch.cat((self.rotate(turned, cos, sin), rest), dim=-1)
        if self.interleaved:
            partner = x.reshape(*x.shape[:-1], -1, 2).flip(-1).flatten(-2)
        else:
            partner = x.roll(self.rotary_dim // 2, -1)
        return torch.addcmul(x * cos, partner, sin)


class LinearScaledRoPE(RoPE):
    """Rotary positions divided by `factor`. Chen et al. 2023, arXiv:2306.15595, equation 4."""

    def __init__(
        self, head_dim: int, *, theta: float = 10000.0, rotary_dim: int | None = None, factor: float
    ) -> None:
        super().__init__(head_dim, theta=theta, rotary_dim=rotary_dim)
        self.factor = factor

    def frequencies(self, device: torch.device, dtype: torch.dtype) -> Tensor:
        """Return the R/2 rotations per token, in radians."""
        return super().frequencies(device, dtype) / self.factor


class Llama3RoPE(RoPE):
    """Rotary positions with the frequency scaling of Llama 3.1.

    A pair that turns fewer than `low_freq_factor` times in `original_max_len` tokens is slowed down by
    `factor`, one that turns more than `high_freq_factor` times is kept, and between the two the frequency is
    interpolated. Grattafiori et al. 2024, The Llama 3 Herd of Models, arXiv:2407.21783; Meta's llama-models,
    apply_scaling.
    """

    def __init__(
        self,
        head_dim: int,
        *,
        theta: float = 500000.0,
        rotary_dim: int | None = None,
        factor: float = 8.0,
        low_freq_factor: float = 1.0,
        high_freq_factor: float = 4.0,
        original_max_len: int = 8192,
    ) -> None:
        super().__init__(head_dim, theta=theta, rotary_dim=rotary_dim)
        self.factor = factor
        self.low_freq_factor = low_freq_factor
        self.high_freq_factor = high_freq_factor
        self.original_max_len = original_max_len
        if not low_freq_factor < high_freq_factor:
            raise ValueError(
                f"low_freq_factor {low_freq_factor} is not below high_freq_factor {high_freq_factor}"
            )

    def frequencies(self, device: torch.device, dtype: torch.dtype) -> Tensor:
        """Return the R/2 rotations per token, in radians."""
        freq = super().frequencies(device, dtype)
        turns = self.original_max_len / (2 * math.pi / freq)
        kept = (turns - self.low_freq_factor) / (self.high_freq_factor - self.low_freq_factor)
        kept = kept.clamp(0, 1)
        return (1 - kept) * freq / self.factor + kept * freq


def count_positions(x: Tensor, seen: Tensor | None, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the positions of x's tokens, int64 [T] or [B, T], and the real tokens seen by then, int64 [B].

    x [B, T, D]; seen int64 [B], None: none; mask bool [B, T], true at real tokens, None: all are.
    """
    B, T, _ = x.shape
    positions = torch.arange(T, device=x.device)
    count = torch.full((B,), T, device=x.device)
    if mask is not None:
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        count = mask.sum(dim=1)
    if seen is not None:
        positions, count = positions + seen[:, None], count + seen
    return positions, count


class LearnedPositions(nn.Module):
    """Add a learned vector for each position. Gehring et al. 2017, arXiv:1705.03122, section 3.1; GPT-2."""

    def __init__(self, d_model: int, *, max_len: int) -> None:
        super().__init__()
        self.max_len = max_len
        self.weight = nn.Parameter(torch.empty(max_len, d_model))

    def forward(
        self, x: Tensor, state: Tensor | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return x [B, T, D] plus the positions' vectors, and the real tokens seen in each row, int64 [B].

        Raises ValueError if T exceeds `max_len`, IndexError if the state carries a row past it.
        """
        if not torch.compiler.is_exporting() and x.shape[1] > self.max_len:
            raise ValueError(
                f"{x.shape[1]} tokens are more than the {self.max_len} learned positions (max_len)"
            )
        positions, state = count_positions(x, state, mask)
        return x + F.embedding(positions, self.weight), state

    def init_weights(self, generator: torch.Generator) -> None:
        """Draw the vectors from a normal distribution of standard deviation 0.02 (GPT-2)."""
        with torch.no_grad():
            self.weight.copy_(torch.randn(self.weight.shape, generator=generator) * 0.02)


class SinusoidalPositions(nn.Module):
    """Add sines (even channels) and cosines (odd channels) of the position at D/2 geometric wavelengths.

    Vaswani et al. 2017, arXiv:1706.03762, section 3.5: PE(pos, 2i) = sin(pos / max_period^(2i/D)).
    """

    def __init__(self, d_model: int, *, max_period: float = 10000.0) -> None:
        super().__init__()
        self.max_period = max_period
        if d_model % 2:
            raise ValueError(f"d_model must be even for pairs of sine and cosine, not {d_model}")

    def forward(
        self, x: Tensor, state: Tensor | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return x [B, T, D] plus the sinusoids, and the real tokens seen in each row, int64 [B]."""
        positions, state = count_positions(x, state, mask)
        dtype = torch.promote_types(x.dtype, torch.float32)
        exponent = torch.arange(0, x.shape[-1], 2, device=x.device, dtype=dtype) / x.shape[-1]
        angle = positions.to(dtype)[..., None] / self.max_period**exponent  # [T, D/2] or [B, T, D/2]
        return x + torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(-2).to(x.dtype), state
