"""Causal attention over keys and values that another layer has made.

Shape letters: B batch, T tokens in this call, S cached and new keys, D d_model, H query heads, K key/value
heads, P head_dim.
"""

from typing import Any

import torch
from torch import Tensor, nn

from .documents import real_positions, visible_keys
from .heads import Heads
from .module import KeyValueCache
from .room import Room, filled, slot_positions
from .scores import lower_triangle


class BorrowedAttention(Heads):
    """Causal attention with queries of its own; it has no projection of keys and values, and no state.

    Brandon et al. 2024, cross-layer attention, arXiv:2405.12981, section 3; Sun et al. 2024, YOCO,
    arXiv:2405.05254, section 2.
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
        **options: Any,
    ) -> None:
        super().__init__(n_heads=n_heads, n_kv_heads=n_kv_heads, head_dim=head_dim, **options)
        self.q_proj = nn.Linear(d_model, n_heads * head_dim, bias=qkv_bias)
        self.out_proj = nn.Linear(n_heads * head_dim, d_model, bias=out_bias)

    def forward(
        self,
        x: Tensor,
        state: None = None,
        mask: Tensor | None = None,
        kv: KeyValueCache | Room | None = None,
    ) -> tuple[Tensor, None]:
        """Map x [B, T, D] to y [B, T, D].

        `kv` is what the owner has just returned: its last T tokens are those of x, its mask says which are
        real, or of which document. Raises ValueError without it, or with a state.
        """
        if kv is None:
            raise ValueError("this attention has no keys of its own: give it the owner's state as kv")
        if state is not None:
            raise ValueError("this attention keeps no state: its keys and values are the owner's")
        if isinstance(kv, Room):
            return self.step(x, kv), None
        T, S = x.shape[1], kv.keys.shape[2]
        positions = None
        if self.position_at is not None:
            positions = real_positions(kv.mask, S - T, S, x.device)
        q = self.queries(x, positions)
        visible = visible_keys(kv.mask, T)
        is_causal = visible is None and not torch.compiler.is_exporting()
        if S != T:  # a branch, as torch.compile would hand on a comparison of symbols as a symbol
            is_causal = False
        if T != 1 and not is_causal:
            earlier = lower_triangle(T, S, x.device)
            visible = earlier if visible is None else visible & earlier
        at = None
        if self.position_at == "scores" and positions is not None:
            at = positions, real_positions(kv.mask, 0, S, x.device)
        return self.out_proj(self.attend(q, kv.keys, kv.values, visible, is_causal, at)), None

    def step(self, x: Tensor, kv: Room) -> Tensor:
        """Map x [B, 1, D] to y [B, 1, D]; the owner's state was reserved, and has taken in the same token."""
        now = kv.seen[:, None] - 1
        q = self.queries(x, None if self.position_at is None else now)
        at = (now, slot_positions(kv)) if self.position_at == "scores" else None
        y: Tensor = self.out_proj(self.attend(q, kv.keys, kv.values, filled(kv), at=at))
        return y

    def queries(self, x: Tensor, positions: Tensor | None) -> Tensor:
        """Map x [B, T, D] to q [B, T, H, P], with the position of each token."""
        if self.position_at == "stream":
            x = x + self.position.encode(positions).to(x.dtype)
        q = self.normed(self.q_norm, self.q_proj(x).unflatten(-1, (self.n_heads, self.head_dim)))
        if self.position_at == "heads":
            q, _ = self.position(q, q[:, :, :0], positions)
        return q
