"""Positions that are added to attention scores: ALiBi, and T5's relative buckets.

Shape letters: B batch, T queries, S keys, H heads. A position is the number of real tokens before a token
in its row. Both modules return what is added to q k^T before the softmax, for positions of queries and
keys.
"""

import math

import torch
from torch import Tensor, nn


def differences(query_positions: Tensor, key_positions: Tensor) -> Tensor:
    """Return the keys' positions minus the queries', int64 [.., T, S], of int64 [.., T] and [.., S]."""
    return key_positions[..., None, :] - query_positions[..., :, None]


class ALiBi(nn.Module):
    """Lower a score by the distance between query and key, in each head by a slope of its own.

    Press et al. 2022, arXiv:2108.12409, section 3: head h of H (from 1) has the slope 2^(-8h/H). Where H is
    no power of two, as in the authors' code: with the next lower power C, the slopes of C heads, then every
    other one of 2C heads. A key after the query counts by its distance too, which bidirectional attention
    needs.
    """

    def __init__(self, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads

    def slopes(self, device: torch.device) -> Tensor:
        """Return the slope of each head, float32 [H]."""
        power = 2 ** math.floor(math.log2(self.n_heads))
        head = torch.arange(1, self.n_heads + 1, device=device, dtype=torch.float32)
        further = (2 * (head - power) - 1) / (2 * power)
        return torch.exp2(-8 * torch.where(head <= power, head / power, further))

    def forward(self, query_positions: Tensor, key_positions: Tensor) -> Tensor:
        """Return the bias float32 [H, T, S] or [B, H, T, S]; positions int64 [T] or [B, T], [S] or [B, S]."""
        distance = differences(query_positions, key_positions).abs()[..., None, :, :]
        return -self.slopes(distance.device)[:, None, None] * distance


class RelativePositions(nn.Module):
    """Add a learned number a head, found by the bucket of the distance between query and key.

    Raffel et al. 2020, T5, arXiv:1910.10683, section 2.1, and their code: half of the buckets stand for one
    distance each, the others for ranges that grow geometrically up to `max_distance`, and everything further
    shares the last one. If `bidirectional`, half of all buckets are for keys after the query; otherwise those
    count as distance 0.
    """

    no_weight_decay = ("weight",)  # they are biases of scores

    def __init__(
        self, n_heads: int, *, n_buckets: int = 32, max_distance: int = 128, bidirectional: bool = False
    ) -> None:
        super().__init__()
        self.n_buckets = n_buckets
        self.max_distance = max_distance
        self.bidirectional = bidirectional
        self.weight = nn.Parameter(torch.empty(n_buckets, n_heads))

    def buckets(self, difference: Tensor) -> Tensor:
        """Return the bucket of each key position minus query position, int64 of the same shape."""
        count, first = self.n_buckets, torch.zeros_like(difference)
        distance = (-difference).clamp(min=0)
        if self.bidirectional:
            count = self.n_buckets // 2
            first = (difference > 0) * count
            distance = difference.abs()
        exact = count // 2
        ratio = torch.log(distance.clamp(min=1).float() / exact) / math.log(self.max_distance / exact)
        ranged = (exact + (ratio * (count - exact)).long()).clamp(max=count - 1)
        return first + torch.where(distance < exact, distance, ranged)

    def forward(self, query_positions: Tensor, key_positions: Tensor) -> Tensor:
        """Return the bias [H, T, S] or [B, H, T, S]; positions int64 [T] or [B, T], [S] or [B, S]."""
        found = self.weight[self.buckets(differences(query_positions, key_positions))]  # [.., T, S, H]
        return found.movedim(-1, -3)

    def init_weights(self, generator: torch.Generator) -> None:
        """Draw the table from a normal distribution of standard deviation 0.02."""
        with torch.no_grad():
            self.weight.copy_(torch.randn(self.weight.shape, generator=generator) * 0.02)
