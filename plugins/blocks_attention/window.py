"""Causal attention over a sliding window, whose state is bounded.

Shape letters: B batch, T tokens in this call, D d_model, H query heads, K key/value heads, P head_dim,
S cached and new keys, W window.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from .documents import in_order, is_packed, real_positions, visible_keys
from .heads import SelfAttention, join_masks
from .neighbours import attend_blocks
from .room import Room, make_room


class WindowCache(NamedTuple):
    """The keys (position encoding applied) and values of the tokens that are still seen, padding first."""

    keys: Tensor  # [B, K, S, P]
    values: Tensor  # [B, K, S, P]
    mask: Tensor | None  # bool [B, S], true at real tokens; None: all are
    seen: Tensor  # int64 [B], real tokens so far


class SlidingWindowAttention(SelfAttention):
    """Causal attention in which a token sees itself and the W - 1 real tokens before it.

    Beltagy et al. 2020, Longformer, arXiv:2004.05150, section 3.1; Jiang et al. 2023, Mistral 7B,
    arXiv:2310.06825. The state holds at most W - 1 tokens. More than 2W tokens are computed in blocks of W
    queries over 2W keys, so the cost is linear in T.
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
        **options: Any,
    ) -> None:
        super().__init__(
            d_model,
            n_heads=n_heads,
            n_kv_heads=n_kv_heads,
            head_dim=head_dim,
            qkv_bias=qkv_bias,
            out_bias=out_bias,
            **options,
        )
        self.window = self.reach = window
        if window < 1:
            raise ValueError(f"window must be at least 1, not {window}")

    def forward(
        self, x: Tensor, state: WindowCache | Room | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, WindowCache | Room | None]:
        """Map x [B, T, D] to y [B, T, D]; mask bool [B, T], true at real tokens, or int64, their documents.

        Raises ValueError for packed documents with a state; they leave none.
        """
        if isinstance(state, Room):
            return self.step(x, state, mask, self.reach - self.window)
        mask = in_order(mask, state)
        B, T, _ = x.shape
        order = None
        count = torch.full((B,), T, device=x.device)
        if mask is not None:  # padding goes first, so that real tokens are neighbours
            count = (mask > 0).sum(dim=1)
            mask, order = mask.sort(dim=1, stable=True)
            x = x.gather(1, order[:, :, None].expand_as(x))
        positions = None
        if self.position_at is not None:
            positions = real_positions(mask, 0, T, x.device)
            if state is not None:
                positions = positions + state.seen[:, None]
        q, k, v = self.project(x, positions)
        if state is not None:
            k, v, mask = self.extend(state, k, v, mask)
            count = count + state.seen
        if self.position_at == "scores" and state is not None:
            positions = self.key_positions(k.shape[2], mask, count)
        y = self.out_proj(self.attend_window(q, k, v, mask, positions))
        if order is not None:
            y = torch.empty_like(y).scatter(1, order[:, :, None].expand_as(y), y)
        if is_packed(mask):
            return y, None
        if mask is None and torch.compiler.is_exporting():
            mask = torch.ones(B, k.shape[2], dtype=torch.bool, device=x.device)
        return y, WindowCache(*self.keep(k, v, mask), count)

    def reserve(self, state: WindowCache, capacity: int) -> Room:
        """The same state as a ring, or with room for `capacity` real tokens a row if those are fewer.

        It is written in place; forward then takes one token a call.
        """
        positions = self.key_positions(state.keys.shape[2], state.mask, state.seen)
        n_slots, kept = min(self.reach, capacity), self.reach - self.window
        return make_room(state.keys, state.values, state.mask, positions, state.seen, n_slots, kept)

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

    def keep(self, k: Tensor, v: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return the keys, values and mask that later tokens see."""
        kept = self.window - 1
        return latest(k, kept, 2), latest(v, kept, 2), None if mask is None else latest(mask, kept, 1)

    def key_positions(self, n_keys: int, mask: Tensor | None, count: Tensor) -> Tensor:
        """Return the positions int64 [B, S] of the keys, the last that of the latest of `count` tokens."""
        return (torch.arange(n_keys, device=count.device) + (count[:, None] - n_keys)).clamp(min=0)

    def visible(self, n_queries: int, n_keys: int, mask: Tensor | None, device: torch.device) -> Tensor:
        """Return bool [T, S] or [B, 1, T, S], true where a query sees a key."""
        near = torch.ones(n_queries, n_keys, dtype=torch.bool, device=device).tril(n_keys - n_queries)
        near = near.triu(n_keys - n_queries - self.window + 1)
        seen = visible_keys(mask, n_queries)
        return near if seen is None else near & seen

    def in_blocks(self, n_queries: int, mask: Tensor | None) -> bool:
        """Whether so many queries are computed in blocks."""
        return 2 * self.reach < n_queries

    def everywhere(self, n_keys: int, mask: Tensor | None, device: torch.device) -> Tensor | None:
        """Return the places of keys that are seen from any distance, int64 [B or 1, G]; None: no keys are."""
        return None

    def attend_window(
        self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, positions: Tensor | None
    ) -> Tensor:
        """Attend from q [B, T, H, P] to k, v [B, K, S, P], whose last T are the queries' own tokens."""
        T, S, reach = q.shape[1], k.shape[2], self.reach
        at = None
        if self.position_at != "scores":
            positions = None
        elif positions is not None:
            at = positions[..., S - T :], positions
        exporting = torch.compiler.is_exporting()  # one graph for every length, without a branch on it
        if not exporting:
            if self.in_blocks(T, mask):
                everywhere = self.everywhere(S, mask, q.device)
                return attend_blocks(
                    self.attend, q, k, v, mask, self.window, everywhere=everywhere, positions=positions
                )
            if mask is None and reach >= S and T == S:  # the window hides nothing
                return self.attend(q, k, v, is_causal=True, at=at)
            if mask is None and reach >= S and T == 1:
                return self.attend(q, k, v, at=at)
        return self.attend(q, k, v, self.visible(T, S, mask, q.device), at=at)


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
