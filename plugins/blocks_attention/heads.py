"""What all attention here shares: queries, keys and values in heads, their norms, positions and scores.

Shape letters: B batch, T tokens in this call, D d_model, S keys, H query heads, K key/value heads,
P head_dim.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .room import Room, filled, slot_positions, write
from .scores import attend, attend_capped


class Heads(nn.Module):
    """Sizes of the heads, norms of queries and keys, a position, and what is done with the scores.

    `q_norm` and `k_norm` act on the P channels of each head, before the position: Henry et al. 2020,
    arXiv:2010.04245, with a learned scale as in Qwen3, arXiv:2505.09388. With `norm_over` "projection" they
    act on the channels of all heads at once, H P of a query and K P of a key: OLMo 2, arXiv:2501.00656.
    `score_scale` multiplies the scores in place of 1 / sqrt(P), `score_cap` squeezes them softly.
    `position` enters at one of three places:

    heads   called with q [B, T, H, P], k [B, T, K, P] and positions, it returns both rotated
    scores  called with positions of queries and of keys, it returns a bias [H, T, S] or [B, H, T, S]
    stream  its `encode(positions)` [.., T, D] is added to what queries and keys, not values, are projected
            from: Press et al. 2021, Shortformer, arXiv:2012.15832, section 4

    Positions are int64 [T] or [B, T]: the real tokens before each token of its row, or of its document.
    """

    def __init__(
        self,
        *,
        n_heads: int,
        n_kv_heads: int,
        head_dim: int,
        position: nn.Module | None = None,
        position_at: str = "heads",
        q_norm: nn.Module | None = None,
        k_norm: nn.Module | None = None,
        norm_over: str = "head",
        score_scale: float | None = None,
        score_cap: float | None = None,
    ) -> None:
        super().__init__()
        self.n_heads, self.n_kv_heads, self.head_dim = n_heads, n_kv_heads, head_dim
        self.position: Any = position
        self.position_at = None if position is None else position_at
        self.q_norm, self.k_norm, self.norm_over = q_norm, k_norm, norm_over
        self.score_scale, self.score_cap = score_scale, score_cap

    def normed(self, norm: nn.Module | None, heads: Tensor) -> Tensor:
        """Queries or keys [B, T, heads, P] after their norm, if they have one."""
        if norm is None:
            return heads
        if self.norm_over == "projection":
            flat: Tensor = norm(heads.flatten(2))
            return flat.view(heads.shape)
        normed: Tensor = norm(heads)
        return normed

    def attend(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        visible: Tensor | None = None,
        is_causal: bool = False,
        at: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Attention as [B, T, H P]; `at`: positions of queries and keys, where they bias the scores."""
        bias = None if at is None else self.position(*at)
        if self.score_cap is not None:
            return attend_capped(q, k, v, visible, is_causal, self.score_scale, bias, cap=self.score_cap)
        return attend(q, k, v, visible, is_causal, self.score_scale, bias)


class SelfAttention(Heads):
    """Queries, keys and values of one stream. `qkv_proj` holds the rows of q, then k, then v."""

    def __init__(
        self,
        d_model: int,
        *,
        n_heads: int,
        n_kv_heads: int,
        head_dim: int,
        qkv_bias: bool,
        out_bias: bool,
        **options: Any,
    ) -> None:
        super().__init__(n_heads=n_heads, n_kv_heads=n_kv_heads, head_dim=head_dim, **options)
        self.qkv_proj = nn.Linear(d_model, (n_heads + 2 * n_kv_heads) * head_dim, bias=qkv_bias)
        self.out_proj = nn.Linear(n_heads * head_dim, d_model, bias=out_bias)

    def project(self, x: Tensor, positions: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Map x [B, T, D] to q [B, T, H, P], k and v [B, K, T, P]; positions where `position` is not None."""
        if self.position_at == "stream":
            qkv = self.infused(x, x + self.position.encode(positions).to(x.dtype))
        else:
            qkv = self.qkv_proj(x)
        q, k, v = split_heads(qkv, self.n_heads, self.n_kv_heads, self.head_dim)
        q, k = self.normed(self.q_norm, q), self.normed(self.k_norm, k)
        if self.position_at == "heads":
            q, k = self.position(q, k, positions)
        return q, k.transpose(1, 2), v.transpose(1, 2)

    def step(self, x: Tensor, room: Room, mask: Tensor | None, kept: int = 0) -> tuple[Tensor, Room]:
        """Map one more real token a row, x [B, 1, D], to y [B, 1, D]; its key and value go into the room.

        `kept` first tokens are never overwritten. Raises ValueError for more tokens in a call, or a mask.
        """
        if x.shape[1] != 1 or mask is not None:
            raise ValueError("a state that was reserved takes one token a call, and no mask")
        now = room.seen[:, None].clone()
        q, k, v = self.project(x, None if self.position_at is None else now)
        write(room, k, v, kept)
        at = (now, slot_positions(room, kept)) if self.position_at == "scores" else None
        return self.out_proj(self.attend(q, room.keys, room.values, filled(room), at=at)), room

    def infused(self, x: Tensor, placed: Tensor) -> Tensor:
        """Queries and keys of `placed`, values of x, as [B, T, (H + 2K) P]."""
        sizes = [(self.n_heads + self.n_kv_heads) * self.head_dim, self.n_kv_heads * self.head_dim]
        weights = torch.split(self.qkv_proj.weight, sizes)
        biases = (None, None) if self.qkv_proj.bias is None else torch.split(self.qkv_proj.bias, sizes)
        return torch.cat(
            (F.linear(placed, weights[0], biases[0]), F.linear(x, weights[1], biases[1])), dim=-1
        )


def split_heads(qkv: Tensor, n_heads: int, n_kv_heads: int, head_dim: int) -> tuple[Tensor, Tensor, Tensor]:
    """Split [B, T, (H + 2K) P] into q [B, T, H, P], k [B, T, K, P] and v [B, T, K, P], without a copy."""
    heads = qkv.view(*qkv.shape[:-1], n_heads + 2 * n_kv_heads, head_dim)
    q, k, v = torch.split(heads, [n_heads, n_kv_heads, n_kv_heads], dim=2)
    return q, k, v


def join_masks(old: Tensor | None, n_old: int, new: Tensor | None, n_new: int) -> Tensor | None:
    """Return bool [B, n_old + n_new], true at real tokens, or None if all are."""
    if old is None and new is None:
        return None
    if old is None:
        assert new is not None
        old = new.new_ones(new.shape[0], n_old)
    if new is None:
        new = old.new_ones(old.shape[0], n_new)
    return torch.cat((old, new), dim=1)
