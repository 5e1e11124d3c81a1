"""Multi-head, grouped-query and multi-query attention: causal, bidirectional, or over a sliding window.

Shape letters: B batch, T tokens in this call, D d_model, H query heads, K key/value heads, P head_dim,
S cached and new keys, W window, N blocks of W tokens.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class KeyValueCache(NamedTuple):
    """The keys (position encoding applied) and values of all tokens so far."""

    keys: Tensor  # [B, K, S, P]
    values: Tensor  # [B, K, S, P]
    mask: Tensor | None  # bool [B, S], true at real tokens; None: all are


class WindowCache(NamedTuple):
    """The keys (position encoding applied) and values of the latest S <= W - 1 tokens, padding first."""

    keys: Tensor  # [B, K, S, P]
    values: Tensor  # [B, K, S, P]
    mask: Tensor | None  # bool [B, S], true at real tokens; None: all are
    seen: Tensor  # int64 [B], real tokens so far


def split_heads(qkv: Tensor, n_heads: int, n_kv_heads: int, head_dim: int) -> tuple[Tensor, Tensor, Tensor]:
    """Split [B, T, (H + 2K) P] into q [B, T, H, P], k [B, T, K, P] and v [B, T, K, P], without a copy."""
    heads = qkv.view(*qkv.shape[:-1], n_heads + 2 * n_kv_heads, head_dim)
    q, k, v = torch.split(heads, [n_heads, n_kv_heads, n_kv_heads], dim=2)
    return q, k, v


def attend(q: Tensor, k: Tensor, v: Tensor, visible: Tensor | None = None, is_causal: bool = False) -> Tensor:
    """Scaled dot-product attention: softmax(q k^T / sqrt(P)) v, as [B, T, H P].

    q [B, T, H, P], k and v [B, K, S, P]; head h reads key/value head h // (H / K). `visible` bool,
    broadcastable to [B, 1, T, S], is true where a query sees a key; a query that sees none gives zeros.
    `is_causal` (T = S): the lower triangle. Vaswani et al. 2017, arXiv:1706.03762, equation 1; Ainslie et al.
    2023, arXiv:2305.13245.
    """
    B, T, H, P = q.shape
    K = k.shape[1]
    if T == 1 and H != K:  # one token: the H / K heads of a group take the place of the tokens
        q = q.reshape(B, K, H // K, P)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=visible).reshape(B, 1, H * P)
    y = F.scaled_dot_product_attention(
        q.transpose(1, 2), k, v, attn_mask=visible, is_causal=is_causal, enable_gqa=H != K
    )
    return y.transpose(1, 2).flatten(2)


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


class Attention(nn.Module):
    """Attention over all earlier tokens and the token itself, or over all tokens if not `causal`.

    `qkv_proj` holds the rows of q, then k, then v. `position` rotates queries and keys: a module called with
    q [B, T, H, P], k [B, T, K, P] and positions int64 [T] or [B, T], the real tokens before each token.
    """

    def __init__(
        self,
        d_model: int,
        *,
        n_heads: int,
        n_kv_heads: int,
        head_dim: int,
        qkv_bias: bool = False,
        out_bias: bool = False,
        causal: bool = True,
        position: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.n_heads, self.n_kv_heads, self.head_dim = n_heads, n_kv_heads, head_dim
        self.causal = causal
        self.position = position
        self.qkv_proj = nn.Linear(d_model, (n_heads + 2 * n_kv_heads) * head_dim, bias=qkv_bias)
        self.out_proj = nn.Linear(n_heads * head_dim, d_model, bias=out_bias)

    def forward(
        self, x: Tensor, state: KeyValueCache | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, KeyValueCache | None]:
        """Map x [B, T, D] to y [B, T, D]; mask bool [B, T], true at real tokens.

        Raises ValueError if bidirectional attention is given a state: it needs the whole sequence at once.
        """
        if state is not None and not self.causal:
            raise ValueError("bidirectional attention keeps no state: give it the whole sequence at once")
        T = x.shape[1]
        q, k, v = split_heads(self.qkv_proj(x), self.n_heads, self.n_kv_heads, self.head_dim)
        if self.position is not None:
            q, k = self.position(q, k, self.positions(x, state, mask))
        k, v = k.transpose(1, 2), v.transpose(1, 2)
        if state is not None:
            mask = join_masks(state.mask, state.keys.shape[2], mask, T)
            k, v = torch.cat((state.keys, k), dim=2), torch.cat((state.values, v), dim=2)
        S = k.shape[2]
        visible = None if mask is None else mask[:, None, None, :]
        is_causal = self.causal and state is None and mask is None
        if self.causal and not is_causal and T != 1:
            earlier = torch.ones(T, S, dtype=torch.bool, device=x.device).tril(S - T)
            visible = earlier if visible is None else visible & earlier
        y = self.out_proj(attend(q, k, v, visible, is_causal))
        return y, KeyValueCache(k, v, mask) if self.causal else None

    def positions(self, x: Tensor, state: KeyValueCache | None, mask: Tensor | None) -> Tensor:
        """Return the number of real tokens before each token of x, int64 [T] or [B, T]."""
        if mask is None:
            new = torch.arange(x.shape[1], device=x.device)
        else:
            new = (mask.cumsum(dim=1) - 1).clamp(min=0)
        if state is None:
            return new
        if state.mask is None:
            return new + state.keys.shape[2]
        return new + state.mask.sum(dim=1, keepdim=True)


class SlidingWindowAttention(nn.Module):
    """Causal attention in which a token sees itself and the W - 1 real tokens before it.

    Beltagy et al. 2020, Longformer, arXiv:2004.05150, section 3.1; Jiang et al. 2023, Mistral 7B,
    arXiv:2310.06825. `qkv_proj` and `position` are as in full attention. The state holds at most W - 1
    tokens. More than 2W tokens are computed in blocks of W queries over 2W keys, so the cost is linear in T.
    """

    def __init__(
        self,
        d_model: int,
        *,
        n_heads: int,
        n_kv_heads: int,
        head_dim: int,
        window: int,
        qkv_bias: bool = False,
        out_bias: bool = False,
        position: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.n_heads, self.n_kv_heads, self.head_dim = n_heads, n_kv_heads, head_dim
        self.window = window
        self.position = position
        self.qkv_proj = nn.Linear(d_model, (n_heads + 2 * n_kv_heads) * head_dim, bias=qkv_bias)
        self.out_proj = nn.Linear(n_heads * head_dim, d_model, bias=out_bias)
        if window < 1:
            raise ValueError(f"window must be at least 1, not {window}")

    def forward(
        self, x: Tensor, state: WindowCache | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, WindowCache]:
        """Map x [B, T, D] to y [B, T, D]; mask bool [B, T], true at real tokens."""
        B, T, _ = x.shape
        order = None
        count = torch.full((B,), T, device=x.device)
        if mask is not None:  # padding goes first, so that real tokens are neighbours
            count = mask.sum(dim=1)
            mask, order = mask.sort(dim=1, stable=True)
            x = x.gather(1, order[:, :, None].expand_as(x))
        q, k, v = split_heads(self.qkv_proj(x), self.n_heads, self.n_kv_heads, self.head_dim)
        if self.position is not None:
            positions = torch.arange(T, device=x.device)
            if mask is not None:
                positions = (positions + (count[:, None] - T)).clamp(min=0)
            if state is not None:
                positions = positions + state.seen[:, None]
            q, k = self.position(q, k, positions)
        k, v = k.transpose(1, 2), v.transpose(1, 2)
        if state is not None:
            k, v, mask = self.extend(state, k, v, mask)
            count = count + state.seen
        y = self.out_proj(self.attend_window(q, k, v, mask))
        if order is not None:
            y = torch.empty_like(y).scatter(1, order[:, :, None].expand_as(y), y)
        kept = self.window - 1
        if mask is None and torch.compiler.is_exporting():
            mask = torch.ones(B, k.shape[2], dtype=torch.bool, device=x.device)
        new_mask = None if mask is None else latest(mask, kept, 1)
        return y, WindowCache(latest(k, kept, 2), latest(v, kept, 2), new_mask, count)

    def extend(
        self, state: WindowCache, k: Tensor, v: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Put the cached tokens before the new ones, and padding before both."""
        joined = join_masks(state.mask, state.keys.shape[2], mask, k.shape[2])
        k, v = torch.cat((state.keys, k), dim=2), torch.cat((state.values, v), dim=2)
        if mask is None or joined is None:
            return k, v, joined
        joined, order = joined.sort(dim=1, stable=True)
        index = order[:, None, :, None].expand_as(k)
        return k.gather(2, index), v.gather(2, index), joined

    def attend_window(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        """Attend from q [B, T, H, P] to k, v [B, K, S, P], whose last T are the queries' own tokens."""
        T, S, W = q.shape[1], k.shape[2], self.window
        exporting = torch.compiler.is_exporting()  # one graph for every length, without a branch on it
        if not exporting:
            if T > 2 * W:
                return attend_blocks(q, k, v, mask, W)
            if mask is None and S <= W and T == S:  # the window hides nothing
                return attend(q, k, v, is_causal=True)
            if mask is None and S <= W and T == 1:
                return attend(q, k, v)
        near = torch.ones(T, S, dtype=torch.bool, device=q.device).tril(S - T).triu(S - T - W + 1)
        return attend(q, k, v, near if mask is None else near & mask[:, None, None, :])


def latest(x: Tensor, length: int, dim: int) -> Tensor:
    """Return the last `length` entries of x along `dim`, or all if there are fewer.

    While exporting, fewer are filled up with zeros (padding) in front, so that no size hangs on a comparison.
    """
    size = x.shape[dim]
    if torch.compiler.is_exporting():
        zeros = x.new_zeros(*x.shape[:dim], length, *x.shape[dim + 1 :])
        return torch.cat((zeros, x), dim=dim).narrow(dim, size, length)
    kept = x.narrow(dim, max(size - length, 0), min(size, length))
    return kept if size <= length + 1 else kept.clone()  # a clone lets go of the memory of the rest


def attend_blocks(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, window: int) -> Tensor:
    """Windowed attention as [B, T, H P]: a block of W queries sees its own W tokens and the W before them.

    q [B, T, H, P]; k and v [B, K, S, P], at most W tokens before the T new ones; mask bool [B, S] or None.
    """
    B, T, H, P = q.shape
    S, W = k.shape[2], window
    N = -(-T // W)
    first, last = W - (S - T), N * W - T  # empty slots before and after
    if mask is None:
        mask = torch.ones(1, S, dtype=torch.bool, device=q.device)

    def pairs(x: Tensor) -> Tensor:  # [B, S, ...] -> [B, N, 2W, ...]
        blocks = F.pad(x, (0, 0) * (x.dim() - 2) + (first, last)).reshape(x.shape[0], N + 1, W, *x.shape[2:])
        return torch.cat((blocks[:, :-1], blocks[:, 1:]), dim=2)

    k = pairs(k.transpose(1, 2)).flatten(0, 1).transpose(1, 2)  # [B N, K, 2W, P]
    v = pairs(v.transpose(1, 2)).flatten(0, 1).transpose(1, 2)
    q = F.pad(q, (0, 0, 0, 0, 0, last)).reshape(B * N, W, H, P)
    near = torch.ones(W, 2 * W, dtype=torch.bool, device=q.device).tril(W).triu(1)
    visible = near & pairs(mask)[:, :, None, :]  # [B or 1, N, W, 2W]
    y = attend(q, k, v, visible.expand(B, -1, -1, -1).flatten(0, 1)[:, None])
    return y.view(B, N * W, H * P)[:, :T]
