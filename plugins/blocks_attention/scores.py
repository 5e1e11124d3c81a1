"""From queries, keys and values to what the heads read: softmax attention on torch's kernels, or written out.

Shape letters: B batch, T queries, S keys, H query heads, K key/value heads, P head_dim.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    visible: Tensor | None = None,
    is_causal: bool = False,
    scale: float | None = None,
    bias: Tensor | None = None,
) -> Tensor:
    """Scaled dot-product attention: softmax(scale q k^T + bias) v, as [B, T, H P].

    q [B, T, H, P], k and v [B, K, S, P]; head h reads key/value head h // (H / K). By default, scale is
    1 / sqrt(P). `visible` bool, broadcastable to [B, 1, T, S], is true where a query sees a key; a query that
    sees none gives zeros. `is_causal` (T = S): the lower triangle. `bias` [H, T, S] or [B, H, T, S].
    Vaswani et al. 2017, arXiv:1706.03762, equation 1; Ainslie et al. 2023, arXiv:2305.13245.
    """
    B, T, H, P = q.shape
    K = k.shape[1]
    if bias is not None:
        visible = biased(q, k, visible, is_causal, bias)
        is_causal = False
    if T == 1 and H != K:  # one token: the H / K heads of a group take the place of the tokens
        q = q.reshape(B, K, H // K, P)
        if bias is not None and visible is not None:
            visible = visible.expand(-1, H, -1, -1).reshape(visible.shape[0], K, H // K, k.shape[2])
        return F.scaled_dot_product_attention(q, k, v, attn_mask=visible, scale=scale).reshape(B, 1, H * P)
    shared = {"enable_gqa": True} if H != K else {}  # K of a given cache may be a symbol, which is no bool
    y = F.scaled_dot_product_attention(
        q.transpose(1, 2), k, v, attn_mask=visible, is_causal=is_causal, scale=scale, **shared
    )
    return y.transpose(1, 2).flatten(2)


def biased(q: Tensor, k: Tensor, visible: Tensor | None, is_causal: bool, bias: Tensor) -> Tensor:
    """The bias [B or 1, H, T, S] in q's dtype, minus infinity where a query does not see a key."""
    bias = (bias if bias.dim() == 4 else bias[None]).to(q.dtype)
    if is_causal:
        visible = lower_triangle(q.shape[1], k.shape[2], q.device)
    return bias if visible is None else torch.where(visible, bias, float("-inf"))


def attend_capped(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    visible: Tensor | None = None,
    is_causal: bool = False,
    scale: float | None = None,
    bias: Tensor | None = None,
    *,
    cap: float,
) -> Tensor:
    """The same with every score s = scale q k^T squeezed to cap tanh(s / cap), before the bias is added.

    Written out, as no kernel of torch's has it: B H T S scores are held, in fp32 or better. Gemma Team 2024,
    Gemma 2, arXiv:2408.00118, section 2 (logit soft-capping).
    """
    B, T, H, P = q.shape
    K, S = k.shape[1:3]
    scale = P**-0.5 if scale is None else scale
    scores = torch.einsum("btkgp,bksp->bkgts", q.view(B, T, K, H // K, P), k).flatten(1, 2)
    scores = cap * torch.tanh(scores.to(torch.promote_types(q.dtype, torch.float32)) * (scale / cap))
    if bias is not None:
        scores = scores + bias
    if is_causal:
        visible = lower_triangle(T, S, q.device)
    if visible is not None:
        scores = scores.masked_fill(~visible, torch.finfo(scores.dtype).min)
    weights = torch.softmax(scores, dim=-1).to(v.dtype).view(B, K, H // K, T, S)
    y = torch.einsum("bkgts,bksp->bkgtp", weights, v).flatten(1, 2)
    if visible is not None:
        y = y * visible.any(dim=-1, keepdim=True)
    return y.transpose(1, 2).flatten(2)


def lower_triangle(n_queries: int, n_keys: int, device: torch.device) -> Tensor:
    """Return bool [T, S], true where a key is not later than the query, whose own are the last T keys."""
    return torch.ones(n_queries, n_keys, dtype=torch.bool, device=device).tril(n_keys - n_queries)
