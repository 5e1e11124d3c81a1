"""Causal attention over a sliding window and the first tokens, which stay visible: attention sinks.

Shape letters: B batch, T tokens in this call, H query heads, K key/value heads, P head_dim, S cached and new
keys, W window, G global tokens.
"""

from typing import Any

import torch
from torch import Tensor

from .documents import is_packed, real_positions, visible_keys
from .window import SlidingWindowAttention


class SinkAttention(SlidingWindowAttention):
    """Causal attention in which a token sees itself, the W - 1 real tokens before it, and its row's first G.

    Xiao et al. 2023, StreamingLLM, arXiv:2309.17453, section 3. Positions are those of the tokens in their
    row, not places in the cache. The state holds at most G + W - 1 tokens, the first ones before the latest.
    More than 2 (W + G) tokens are computed in blocks of W + G queries, so the cost is linear in T; not those
    of packed documents, each of which has its own first G.
    """

    def __init__(self, d_model: int, *, window: int, global_tokens: int, **options: Any) -> None:
        super().__init__(d_model, window=window, **options)
        self.global_tokens = global_tokens
        self.reach = window + global_tokens

    def ranks(self, n_keys: int, mask: Tensor | None, device: torch.device) -> Tensor:
        """Return the real keys before each key, int64 [1 or B, S]; below 0 at padding, which stands first.

        Of packed documents those of the key's own, 0 at padding.
        """
        if is_packed(mask):
            return real_positions(mask, 0, n_keys, device)
        ranks = torch.arange(n_keys, device=device)[None]
        return ranks if mask is None else ranks - (n_keys - mask.sum(dim=1, keepdim=True))

    def key_positions(self, n_keys: int, mask: Tensor | None, count: Tensor) -> Tensor:
        """Return the positions int64 [B, S] of the keys: the first G, then those up to the latest."""
        ranks = self.ranks(n_keys, mask, count.device)
        recent = super().key_positions(n_keys, mask, count)
        return torch.where(ranks < self.global_tokens, ranks.clamp(min=0), recent)

    def visible(self, n_queries: int, n_keys: int, mask: Tensor | None, device: torch.device) -> Tensor:
        """Return bool [1 or B, 1, T, S], true where a query sees a key."""
        earlier = torch.ones(n_queries, n_keys, dtype=torch.bool, device=device).tril(n_keys - n_queries)
        near = earlier.triu(n_keys - n_queries - self.window + 1)
        sinks = self.ranks(n_keys, mask, device) < self.global_tokens
        visible = near | (earlier & sinks[:, None, None, :])
        seen = visible_keys(mask, n_queries)
        return visible if seen is None else visible & seen

    def in_blocks(self, n_queries: int, mask: Tensor | None) -> bool:
        """Whether so many queries are computed in blocks: not where every document has first tokens."""
        return super().in_blocks(n_queries, mask) and not is_packed(mask)

    def everywhere(self, n_keys: int, mask: Tensor | None, device: torch.device) -> Tensor:
        """Return the places of the first G real keys, int64 [1 or B, G]; S or more where there are fewer."""
        places = torch.arange(self.global_tokens, device=device)[None]
        return places if mask is None else places + (n_keys - mask.sum(dim=1, keepdim=True))

    def keep(self, k: Tensor, v: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return the first G and the latest W - 1 keys, their values and mask."""
        G, kept, size = self.global_tokens, self.reach - 1, k.shape[2]
        if torch.compiler.is_exporting() and mask is not None:  # enough padding in front for any length
            k = torch.cat((k.new_zeros(k.shape[0], k.shape[1], kept, k.shape[3]), k), dim=2)
            v = torch.cat((v.new_zeros(v.shape[0], v.shape[1], kept, v.shape[3]), v), dim=2)
            mask = torch.cat((mask.new_zeros(mask.shape[0], kept), mask), dim=1)
            size += kept
        elif size <= kept:
            return k, v, mask
        if mask is None:
            k, v = (torch.cat((x[:, :, :G], x[:, :, size - kept + G :]), dim=2) for x in (k, v))
            return k, v, None
        real = mask.sum(dim=1, keepdim=True)
        places = torch.arange(kept, device=k.device)
        ranks = places - (kept - real).clamp(min=0)  # [B, kept], below 0 at padding
        index = torch.where(ranks < G, ranks + size - real, places + size - kept)
        index, mask = index[:, None, :, None].expand(-1, k.shape[1], -1, k.shape[3]), ranks >= 0
        return k.gather(2, index), v.gather(2, index), mask
