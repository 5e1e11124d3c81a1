"""Rotary positions for queries and keys, and the ways to scale them to longer contexts.

Shape letters: B batch, T tokens in this call, H heads, P head_dim, R rotary_dim. A position is the number of
real tokens before a token in its row, so padding on either side changes nothing at real tokens.
"""

import math

import torch
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

    def forward(self, q: Tensor, k: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Rotate q [B, T, H, P] and k [B, T, any number of heads, P]; positions int64 [T] or [B, T].

        Angles are computed in fp32 (fp64 for fp64), their cosines and sines rounded to q's dtype.
        """
        dtype = torch.promote_types(q.dtype, torch.float32)
        cos, sin = self.waves(positions.to(dtype)[..., None, None])
        cos, sin = cos.to(q.dtype), sin.to(q.dtype)
        return self.rotate(q, cos, sin), self.rotate(k, cos, sin)

    def waves(self, position: Tensor) -> tuple[Tensor, Tensor]:
        """Return the cosines and the signed sines [.., T, 1, R] of a position [.., T, 1, 1]."""
        freq = self.frequencies(position)
        # cos is even and sin odd: the negative angle for the first of a pair gives a rotation's signs
        signed = (-freq, freq)
        freq = torch.stack(signed, dim=-1).flatten(-2) if self.interleaved else torch.cat(signed, dim=-1)
        angle = position * freq
        return angle.cos(), angle.sin()

    def frequencies(self, position: Tensor) -> Tensor:
        """Return the R/2 rotations per token, in radians, of the dtype of position [.., T, 1, 1]."""
        exponent = torch.arange(0, self.rotary_dim, 2, device=position.device, dtype=position.dtype)
        return torch.pow(self.theta, exponent / self.rotary_dim).reciprocal()

    def rotate(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Rotate the first R channels of x [B, T, H, P]: x * cos + partner(x) * sin."""
        if x.shape[-1] > self.rotary_dim:
            turned, rest = torch.split(x, [self.rotary_dim, x.shape[-1] - self.rotary_dim], dim=-1)
            return torch.cat((self.rotate(turned, cos, sin), rest), dim=-1)
        if self.interleaved:
            partner = x.reshape(*x.shape[:-1], self.rotary_dim // 2, 2).flip(-1).flatten(-2)
        else:
            partner = x.roll(self.rotary_dim // 2, -1)
        return torch.addcmul(x * cos, partner, sin)


class LinearScaledRoPE(RoPE):
    """Rotary positions divided by `factor`. Chen et al. 2023, arXiv:2306.15595, equation 4."""

    def __init__(
        self,
        head_dim: int,
        *,
        theta: float = 10000.0,
        rotary_dim: int | None = None,
        interleaved: bool = False,
        factor: float,
    ) -> None:
        super().__init__(head_dim, theta=theta, rotary_dim=rotary_dim, interleaved=interleaved)
        self.factor = factor

    def frequencies(self, position: Tensor) -> Tensor:
        """Return the R/2 rotations per token, in radians."""
        return super().frequencies(position) / self.factor


class DynamicRoPE(RoPE):
    """Rotary positions whose theta grows with the sequence, once it is longer than L = `original_max_len`.

    With l tokens, theta becomes theta * (factor * l / L - (factor - 1))^(R / (R - 2)): NTK-aware scaling with
    a factor that follows the length, Peng et al. 2023, arXiv:2309.00071, sections 3.1 and 3.3. Here l of a
    token is the number of tokens up to itself, so a token turns by its own theta, whatever follows it, and
    one call, chunks and single steps agree: it is what a decoder computes that keeps keys as it rotated them.
    """

    def __init__(
        self,
        head_dim: int,
        *,
        theta: float = 10000.0,
        rotary_dim: int | None = None,
        interleaved: bool = False,
        factor: float,
        original_max_len: int,
    ) -> None:
        super().__init__(head_dim, theta=theta, rotary_dim=rotary_dim, interleaved=interleaved)
        self.factor = factor
        self.original_max_len = original_max_len
        if self.rotary_dim == 2:
            raise ValueError("dynamic scaling keeps the fastest pair of channels and needs a second one")

    def frequencies(self, position: Tensor) -> Tensor:
        """Return the R/2 rotations per token of each position, in radians, as [.., T, 1, R/2]."""
        R, L = self.rotary_dim, self.original_max_len
        length = (position + 1).clamp(min=L)
        theta = self.theta * (self.factor * length / L - (self.factor - 1)) ** (R / (R - 2))
        exponent = torch.arange(0, R, 2, device=position.device, dtype=position.dtype)
        return torch.pow(theta, exponent / R).reciprocal()


class YarnRoPE(RoPE):
    """Rotary positions with YaRN: fast pairs are kept, slow ones slowed down, and attention is sharpened.

    A pair that turns more than `beta_fast` times in `original_max_len` tokens is kept, one that turns fewer
    than `beta_slow` times is slowed down by `factor`, and between the two the frequency is interpolated, by
    the index of the pair as in the authors' code. Queries and keys are multiplied by `attention_factor`,
    the root of the inverse temperature; None: 0.1 ln(factor) + 1. Peng et al. 2023, arXiv:2309.00071,
    sections 3.2 and 3.4, definitions 2 and 3.
    """

    def __init__(
        self,
        head_dim: int,
        *,
        theta: float = 10000.0,
        rotary_dim: int | None = None,
        interleaved: bool = False,
        factor: float,
        original_max_len: int,
        attention_factor: float | None = None,
        beta_fast: float = 32.0,
        beta_slow: float = 1.0,
    ) -> None:
        super().__init__(head_dim, theta=theta, rotary_dim=rotary_dim, interleaved=interleaved)
        self.factor = factor
        self.original_max_len = original_max_len
        self.attention_factor = 0.1 * math.log(factor) + 1 if attention_factor is None else attention_factor
        self.beta_fast = beta_fast
        self.beta_slow = beta_slow
        if not beta_slow < beta_fast:
            raise ValueError(f"beta_slow {beta_slow} is not below beta_fast {beta_fast}")
        if theta <= 1 or original_max_len <= 2 * math.pi * beta_slow:
            raise ValueError("YaRN needs a theta above 1 and an original_max_len above 2 pi beta_slow")

    def pair(self, turns: float) -> float:
        """Return the real index of the pair that turns so often in `original_max_len` tokens."""
        wavelength = self.original_max_len / turns
        return self.rotary_dim * math.log(wavelength / (2 * math.pi)) / (2 * math.log(self.theta))

    def frequencies(self, position: Tensor) -> Tensor:
        """Return the R/2 rotations per token, in radians."""
        freq = super().frequencies(position)
        low = max(math.floor(self.pair(self.beta_fast)), 0)
        high = min(math.ceil(self.pair(self.beta_slow)), self.rotary_dim - 1)
        index = torch.arange(self.rotary_dim // 2, device=position.device, dtype=position.dtype)
        slowed = ((index - low) / max(high - low, 0.001)).clamp(0, 1)
        return slowed * freq / self.factor + (1 - slowed) * freq

    def waves(self, position: Tensor) -> tuple[Tensor, Tensor]:
        """Return the cosines and the signed sines [.., T, 1, R], times `attention_factor`."""
        cos, sin = super().waves(position)
        return cos * self.attention_factor, sin * self.attention_factor


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
        interleaved: bool = False,
        factor: float = 8.0,
        low_freq_factor: float = 1.0,
        high_freq_factor: float = 4.0,
        original_max_len: int = 8192,
    ) -> None:
        super().__init__(head_dim, theta=theta, rotary_dim=rotary_dim, interleaved=interleaved)
        self.factor = factor
        self.low_freq_factor = low_freq_factor
        self.high_freq_factor = high_freq_factor
        self.original_max_len = original_max_len
        if not low_freq_factor < high_freq_factor:
            raise ValueError(
                f"low_freq_factor {low_freq_factor} is not below high_freq_factor {high_freq_factor}"
            )

    def frequencies(self, position: Tensor) -> Tensor:
        """Return the R/2 rotations per token, in radians."""
        freq = super().frequencies(position)
        turns = self.original_max_len / (2 * math.pi / freq)
        kept = (turns - self.low_freq_factor) / (self.high_freq_factor - self.low_freq_factor)
        kept = kept.clamp(0, 1)
        return (1 - kept) * freq / self.factor + kept * freq


class LongRoPE(RoPE):
    """Rotary positions with LongRoPE: a factor slows down each pair, and attention is sharpened.

    The first `long_after` tokens of a sequence turn by `short_factor`, those after them by `long_factor`, of R/2
    numbers each; None: `original_max_len`. Which one a token turns by depends on its position alone, so one call,
    chunks and single steps agree. Queries and keys are multiplied by `attention_factor`; None:
    sqrt(1 + ln(factor) / ln(original_max_len)). Ding et al. 2024, LongRoPE, arXiv:2402.13753, equation 2 and
    section 3; Abdin et al. 2024, Phi-3, arXiv:2404.14219, section 2.
    """

    def __init__(
        self,
        head_dim: int,
        *,
        theta: float = 10000.0,
        rotary_dim: int | None = None,
        interleaved: bool = False,
        factor: float,
        original_max_len: int,
        short_factor: tuple[float, ...],
        long_factor: tuple[float, ...],
        long_after: int | None = None,
        attention_factor: float | None = None,
    ) -> None:
        super().__init__(head_dim, theta=theta, rotary_dim=rotary_dim, interleaved=interleaved)
        self.short_factor, self.long_factor = short_factor, long_factor
        self.long_after = original_max_len if long_after is None else long_after
        if attention_factor is None:
            attention_factor = math.sqrt(1 + math.log(factor) / math.log(original_max_len))
        self.attention_factor = attention_factor
        for name, factors in (("short_factor", short_factor), ("long_factor", long_factor)):
            if len(factors) != self.rotary_dim // 2:
                raise ValueError(
                    f"{name} has {len(factors)} numbers, and {self.rotary_dim // 2} pairs of channels turn"
                )

    def frequencies(self, position: Tensor) -> Tensor:
        """Return the R/2 rotations per token of each position, in radians, as [.., T, 1, R/2]."""
        freq = super().frequencies(position)
        short, long = (
            freq / torch.tensor(factors, device=position.device, dtype=position.dtype)
            for factors in (self.short_factor, self.long_factor)
        )
        return torch.where(position < self.long_after, short, long)

    def waves(self, position: Tensor) -> tuple[Tensor, Tensor]:
        """Return the cosines and the signed sines [.., T, 1, R], times `attention_factor`."""
        cos, sin = super().waves(position)
        return cos * self.attention_factor, sin * self.attention_factor
