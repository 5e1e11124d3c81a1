"""Attention over a window in blocks of queries, so that its cost is linear in the tokens.

Shape letters: B batch, T queries, S keys, H query heads, K key/value heads, P head_dim, W window, G global
tokens, C queries a block, N blocks, L keys that a block sees.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .documents import is_packed, same_document


def attend_blocks(
    attend: Callable[..., Tensor],
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None,
    window: int,
    *,
    ahead: bool = False,
    everywhere: Tensor | None = None,
    positions: Tensor | None = None,
) -> Tensor:
    """Windowed attention as [B, T, H P]: blocks of C = W + G queries over themselves, the W keys before, and
    with `ahead` the W keys after.

    q [B, T, H, P]; k and v [B, K, S, P], at most C keys before those of the T queries; mask bool [B, S] or
    None, or without `everywhere` documents int64 [B, S]. A query sees the keys fewer than W places before it,
    and with `ahead` after it. `everywhere` int64 [B or 1, G]: places of keys that are seen from any distance,
    S or more where there is none. `positions` of the keys, int64 [S] or [B, S], where they bias the scores.
    `attend` is called as `Heads.attend`.
    """
    B, T, H, P = q.shape
    S, W = k.shape[2], window
    G = 0 if everywhere is None else everywhere.shape[1]
    C = W + G
    N = -(-T // C)
    after = W if ahead else 0
    first, last = C - (S - T), N * C - T  # empty places before and after
    if mask is None:
        mask = torch.ones(1, S, dtype=torch.bool, device=q.device)

    def cut(x: Tensor) -> Tensor:  # [B, S, ...] -> [B, N, L, ...]
        return neighbourhoods(x, first, last, N, C, W, after)

    near = (
        torch.ones(C, W + C + after, dtype=torch.bool, device=q.device)
        .tril(2 * W - 1 if ahead else W)
        .triu(1)
    )
    keys, values = cut(k.transpose(1, 2)), cut(v.transpose(1, 2))  # [B, N, L, K, P]
    seen = cut(mask)[:, :, None, :]
    if is_packed(mask):
        own = F.pad(mask[:, S - T :], (0, last)).view(B, N, C)
        seen = same_document(own, seen[:, :, 0])
    visible = near & seen  # [B or 1, N, C, L]
    if everywhere is not None:
        held = everywhere.clamp(max=S - 1)
        real = mask.gather(1, held.expand(mask.shape[0], -1)) & (everywhere < S)
        own = torch.arange(S - T, S - T + N * C, device=q.device).view(N, C)
        away = own[..., None] - everywhere[:, None, None, :]  # [B or 1, N, C, G]
        away = away.abs() if ahead else away
        visible = torch.cat((visible, (away >= W) & real[:, None, None, :]), dim=-1)
        keys = torch.cat((keys, pick(k, held).expand(-1, N, -1, -1, -1)), dim=2)
        values = torch.cat((values, pick(v, held).expand(-1, N, -1, -1, -1)), dim=2)
    at = None
    if positions is not None:
        places = positions.expand(B, S)
        key_at = cut(places)
        if everywhere is not None:
            more = places.gather(1, held.expand(B, -1))
            key_at = torch.cat((key_at, more[:, None].expand(-1, N, -1)), dim=2)
        at = F.pad(places[:, S - T :], (0, last)).reshape(B * N, C), key_at.flatten(0, 1)
    y = attend(
        F.pad(q, (0, 0, 0, 0, 0, last)).reshape(B * N, C, H, P),
        keys.flatten(0, 1).transpose(1, 2),
        values.flatten(0, 1).transpose(1, 2),
        visible.expand(B, -1, -1, -1).flatten(0, 1)[:, None],
        at=at,
    )
    return y.view(B, N * C, H * P)[:, :T]


def neighbourhoods(x: Tensor, first: int, last: int, n: int, size: int, before: int, after: int) -> Tensor:
    """Cut x [B, S, ...] into n blocks of `size`, `before` entries before, `after` behind: [B, n, ...].

    `first` and `last` empty entries make x n + 1 whole blocks; `before` and `after` are at most `size`.
    """
    more = size if after else 0
    x = F.pad(x, (0, 0) * (x.dim() - 2) + (first, last + more))
    x = x.reshape(x.shape[0], n + 1 + bool(after), size, *x.shape[2:])
    parts = [x[:, :n, size - before :], x[:, 1 : n + 1]]
    if after:
        parts.append(x[:, 2:, :after])
    return torch.cat(parts, dim=2)


def pick(x: Tensor, index: Tensor) -> Tensor:
    """Return the entries of x [B, K, S, P] at index int64 [B or 1, G], as [B, 1, G, K, P]."""
    index = index[:, None, :, None].expand(x.shape[0], x.shape[1], -1, x.shape[3])
    return x.gather(2, index).transpose(1, 2)[:, None]
