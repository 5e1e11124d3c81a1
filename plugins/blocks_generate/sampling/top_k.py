"""Top-k: the k likeliest tokens."""

from torch import Tensor


def top_k(logits: Tensor, k: int) -> Tensor:
    """Logits [.., V], minus infinity below the k-th greatest; all that are equal to it stay.

    Fan, Lewis and Dauphin 2018, arXiv:1805.04833, section 5.4.
    """
    least = logits.topk(min(k, logits.shape[-1]), dim=-1).values[..., -1:]
    return logits.masked_fill(logits < least, float("-inf"))
