"""Attention from one stream to another: queries of x, keys and values of a memory.

Shape letters: B batch, T tokens in this call, S tokens of the memory, D d_model, M memory width, H query
heads, K key/value heads, P head_dim.
"""

from typing import Any

from torch import Tensor, nn

from .documents import is_packed, same_document
from .heads import Heads
from .module import KeyValueCache


class CrossAttention(Heads):
    """Attention to all real tokens of a memory; `kv_proj` holds the rows of k, then v.

    Vaswani et al. 2017, arXiv:1706.03762, section 3.2.3. The memory is projected once: its keys and values
    are the state.
    """

    def __init__(
        self,
        d_model: int,
        *,
        memory_width: int,
        n_heads: int,
        n_kv_heads: int,
        head_dim: int,
        qkv_bias: bool = False,
        out_bias: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(n_heads=n_heads, n_kv_heads=n_kv_heads, head_dim=head_dim, **options)
        self.q_proj = nn.Linear(d_model, n_heads * head_dim, bias=qkv_bias)
        self.kv_proj = nn.Linear(memory_width, 2 * n_kv_heads * head_dim, bias=qkv_bias)
        self.out_proj = nn.Linear(n_heads * head_dim, d_model, bias=out_bias)

    def forward(
        self,
        x: Tensor,
        state: KeyValueCache | None = None,
        mask: Tensor | None = None,
        memory: tuple[Tensor, Tensor | None] | None = None,
    ) -> tuple[Tensor, KeyValueCache | None]:
        """Map x [B, T, D] to y [B, T, D]; padding in x touches no other token, so a mask bool is not read.

        `memory` holds values [B, S, M] and a mask bool [B, S], true at real tokens, or None; it is read where
        there is no state. Where both masks are int64, a document reads that of its number in the memory, and
        no state is left. Raises ValueError without memory and state, or where only one side is packed.
        """
        packed = is_packed(mask)
        if packed and state is not None:
            raise ValueError("packed documents are given whole, without a state: start with state=None")
        if state is None:
            state = self.read(memory)
        if packed != is_packed(state.mask):
            raise ValueError("packed documents read a packed memory: both masks are int64, or neither is")
        q = self.normed(self.q_norm, self.q_proj(x).unflatten(-1, (self.n_heads, self.head_dim)))
        visible = None if state.mask is None else state.mask[:, None, None, :]
        if packed and mask is not None and state.mask is not None:
            visible = same_document(mask, state.mask)[:, None]
        y = self.out_proj(self.attend(q, state.keys, state.values, visible))
        return y, None if packed else state

    def read(self, memory: tuple[Tensor, Tensor | None] | None) -> KeyValueCache:
        """Project the memory to keys and values."""
        if memory is None:
            raise ValueError("cross attention needs a memory on the first call, when it has no state")
        values, mask = memory
        k, v = self.kv_proj(values).unflatten(-1, (2, self.n_kv_heads, self.head_dim)).unbind(2)
        k = self.normed(self.k_norm, k)
        return KeyValueCache(k.transpose(1, 2), v.transpose(1, 2), mask)
