"""Multi-head, grouped-query and multi-query attention over all tokens, or over all that are not later.

Shape letters: B batch, T tokens in this call, D d_model, H query heads, K key/value heads, P head_dim,
S cached and new keys.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from .documents import in_order, real_positions, visible_keys
from .heads import SelfAttention, join_masks
from .room import Room, make_room
from .scores import lower_triangle


class KeyValueCache(NamedTuple):
    """The keys (position encoding applied) and values of all tokens so far."""

    keys: Tensor  # [B, K, S, P]
    values: Tensor  # [B, K, S, P]
    mask: Tensor | None  # bool [B, S], true at real tokens; None: all are; int64: documents, for a borrower


class Attention(SelfAttention):
    """Attention over all earlier tokens and the token itself, or over all tokens if not `causal`."""

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
        self.causal = causal

    def forward(
        self, x: Tensor, state: KeyValueCache | Room | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, KeyValueCache | Room | None]:
        """Map x [B, T, D] to y [B, T, D]; mask bool [B, T], true at real tokens, or int64, their documents.

        Raises ValueError if bidirectional attention is given a state: it needs the whole sequence at once, as
        packed documents do. Their keys and values can be borrowed, and are refused as a state.
        """
        if state is not None and not self.causal:
            raise ValueError("bidirectional attention keeps no state: give it the whole sequence at once")
        if isinstance(state, Room):
            return self.step(x, state, mask)
        mask = in_order(mask, state)
        T = x.shape[1]
        S = T
        if state is not None:
            S += state.keys.shape[2]
            mask = join_masks(state.mask, S - T, mask, T)
        positions = None if self.position_at is None else real_positions(mask, S - T, S, x.device)
        q, k, v = self.project(x, positions)
        if state is not None:
            k, v = torch.cat((state.keys, k), dim=2), torch.cat((state.values, v), dim=2)
        visible = visible_keys(mask, T)
        is_causal = self.causal and state is None and mask is None
        if self.causal and not is_causal and T != 1:
            earlier = lower_triangle(T, S, x.device)
            visible = earlier if visible is None else visible & earlier
        at = None
        if self.position_at == "scores" and positions is not None:
            at = positions, real_positions(mask, 0, S, x.device)
        y = self.out_proj(self.attend(q, k, v, visible, is_causal, at))
        return y, KeyValueCache(k, v, mask) if self.causal else None

    def reserve(self, state: KeyValueCache, capacity: int) -> Room:
        """The same state with room for `capacity` real tokens a row in all.

        It is written in place; forward then takes one token a call. The caller counts: what is beyond takes
        the place of the oldest.
        """
        B, _, S, _ = state.keys.shape
        positions = real_positions(state.mask, 0, S, state.keys.device).expand(B, S)
        seen = torch.full((B,), S, device=state.keys.device) if state.mask is None else state.mask.sum(dim=1)
        return make_room(state.keys, state.values, state.mask, positions, seen, capacity)
