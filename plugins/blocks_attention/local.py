"""Bidirectional attention over a window on both sides, with global tokens.

Shape letters: B batch, T tokens, D d_model, H query heads, K key/value heads, P head_dim, W window, G global
tokens.
"""

from typing import Any

import torch
from torch import Tensor

from .documents import in_order, is_packed, real_positions, visible_keys
from .heads import SelfAttention
from .neighbours import attend_blocks


class LocalAttention(SelfAttention):
    """Attention in which a token sees the real tokens fewer than W places away on either side.

    The first G real tokens see and are seen by all, with the projections of the others: Beltagy et al. 2020,
    Longformer, arXiv:2004.05150, section 3.1; Zaheer et al. 2020, BigBird, arXiv:2007.14062, section 2. More
    than 3 (W + G) tokens are computed in blocks of W + G queries, so the cost is linear in T; not those of
    packed documents with global tokens, as each has its own.
    """

    def __init__(
        self,
        d_model: int,
        *,
        n_heads: int,
        n_kv_heads: int,
        head_dim: int,
        window: int,
        global_tokens: int = 0,
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
        self.window, self.global_tokens = window, global_tokens
        if window < 1:
            raise ValueError(f"window must be at least 1, not {window}")

    def forward(self, x: Tensor, state: None = None, mask: Tensor | None = None) -> tuple[Tensor, None]:
        """Map x [B, T, D] to y [B, T, D]; mask bool [B, T], true at real tokens, or int64, their documents.

        Raises ValueError if given a state: it needs the whole sequence at once.
        """
        if state is not None:
            raise ValueError("bidirectional attention keeps no state: give it the whole sequence at once")
        T = x.shape[1]
        mask, positions, order = in_order(mask), None, None
        if mask is not None:  # padding goes last, so that real tokens are neighbours
            mask, order = mask.sort(dim=1, stable=True, descending=True)
            x = x.gather(1, order[:, :, None].expand_as(x))
        if self.position_at is not None:
            positions = real_positions(mask, 0, T, x.device)
        q, k, v = self.project(x, positions)
        y = self.out_proj(self.attend_window(q, k, v, mask, positions))
        if order is not None:
            y = torch.empty_like(y).scatter(1, order[:, :, None].expand_as(y), y)
        return y, None

    def attend_window(
        self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, positions: Tensor | None
    ) -> Tensor:
        """Attend from q [B, T, H, P] to k, v [B, K, T, P]."""
        T, W, G = q.shape[1], self.window, self.global_tokens
        at = None
        if self.position_at != "scores":
            positions = None
        elif positions is not None:
            at = positions, positions
        seen, apart = visible_keys(mask, T), G > 0 and is_packed(mask)
        if torch.compiler.is_exporting() or T <= 3 * (W + G) or apart:
            near = torch.ones(T, T, dtype=torch.bool, device=q.device).tril(W - 1).triu(1 - W)
            first = torch.arange(T, device=q.device) < G
            if apart:
                first = (real_positions(mask, 0, T, q.device) < G)[:, None]
            visible = near | first[..., None, :] | first[..., :, None]
            return self.attend(q, k, v, visible if seen is None else visible & seen, at=at)
        everywhere = torch.arange(G, device=q.device)[None] if G else None
        y = attend_blocks(
            self.attend, q, k, v, mask, W, ahead=True, everywhere=everywhere, positions=positions
        )
        if not G:
            return y
        at = None if positions is None else (positions[..., :G], positions)
        return torch.cat((self.attend(q[:, :G], k, v, seen, at=at), y[:, G:]), dim=1)
