"""The mask of a call: which tokens are real, or of which document each one is.

Shape letters: B batch, T tokens in this call, S keys.

A mask is bool [B, T], true at real tokens, or None where all are. Packed rows have one of int64 instead: the
number of each token's document from 1 on, 0 at padding. A document is a run of one number, which padding does
not end. It sees nothing of the others: Krell et al. 2021, arXiv:2107.02027, section 3.2.
"""

from typing import Any

import torch
from torch import Tensor


def is_packed(mask: Tensor | None) -> bool:
    """Whether a mask numbers documents."""
    return mask is not None and mask.dtype != torch.bool


def document_starts(documents: Tensor) -> Tensor:
    """Return bool [B, T], true at the first token of each document; documents int64 [B, T], 0 at padding."""
    place = torch.arange(documents.shape[1], device=documents.device)
    latest = torch.where(documents > 0, place, 0).cummax(dim=1).values  # the last real token up to each
    before = documents.gather(1, latest)[:, :-1]
    before = torch.cat((torch.zeros_like(documents[:, :1]), before), dim=1)
    return (documents > 0) & (documents != before)


def in_order(mask: Tensor | None, state: Any = None) -> Tensor | None:
    """Return a mask as it is, documents numbered 1, 2, ... along each row.

    Raises ValueError for a state beside documents, or for one that they have left: they are given whole.
    """
    if state is not None and (is_packed(mask) or is_packed(state.mask)):
        raise ValueError("packed documents are given whole, without a state: start with state=None")
    if mask is None or not is_packed(mask):
        return mask
    return document_starts(mask).cumsum(dim=1) * (mask > 0)


def real_positions(mask: Tensor | None, start: int, end: int, device: torch.device) -> Tensor:
    """Return the real tokens before each of the T tokens from start to end, int64 [T] or [B, T].

    In packed rows those of its document.
    """
    if mask is None:
        return torch.arange(start, end, device=device)
    if not is_packed(mask):
        return (mask.cumsum(dim=1) - 1).clamp(min=0)[:, start:end]
    rank = (mask > 0).cumsum(dim=1) - 1
    first = torch.where(document_starts(mask), rank, 0).cummax(dim=1).values
    return (rank - first).clamp(min=0)[:, start:end]


def visible_keys(mask: Tensor | None, n_queries: int) -> Tensor | None:
    """Return bool [B, 1, 1 or T, S], true at keys that are real and of the query's document; None: all are.

    The queries' own keys are the last T.
    """
    if mask is None or not is_packed(mask):
        return None if mask is None else mask[:, None, None, :]
    return same_document(mask[:, mask.shape[1] - n_queries :], mask)[:, None]


def same_document(queries: Tensor, keys: Tensor) -> Tensor:
    """Return bool [.., T, S], true at keys of the query's document; documents int64 [.., T] and [.., S]."""
    return (queries[..., :, None] == keys[..., None, :]) & (keys > 0)[..., None, :]
