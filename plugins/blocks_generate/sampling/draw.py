"""Drawing a token by inversion: one uniform number for each, whatever stands beside it in a batch."""

import torch
from torch import Tensor


def draw(logits: Tensor, uniform: Tensor) -> Tensor:
    """Token ids int64 [..] of logits [.., V], by uniform numbers [..] in [0, 1): the first id whose cumulative
    probability is greater.

    Inverse transform sampling; Devroye 1986, section III.2. A token of probability 0 is never drawn.
    """
    wide = torch.float32 if logits.device.type == "mps" else torch.float64
    cumulative = logits.to(wide).softmax(dim=-1).cumsum(dim=-1)
    total = cumulative[..., -1:]
    below = torch.minimum(uniform.to(cumulative)[..., None] * total, total.nextafter(torch.zeros_like(total)))
    return torch.searchsorted(cumulative, below, right=True).squeeze(-1)
