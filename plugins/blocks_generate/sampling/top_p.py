"""Top-p, nucleus sampling: the likeliest tokens that hold a share of the probability."""

from torch import Tensor


def top_p(logits: Tensor, p: float) -> Tensor:
    """Logits [.., V], minus infinity outside of the nucleus: the fewest tokens whose probabilities reach p.

    Holtzman et al. 2020, arXiv:1904.09751, section 3.1, equation 2. The likeliest token always stays.
    """
    ranked, order = logits.sort(dim=-1, descending=True, stable=True)
    probabilities = ranked.softmax(dim=-1)
    outside = probabilities.cumsum(dim=-1) - probabilities >= p  # what stands before it reaches p already
    outside[..., 0] = False
    return logits.masked_fill(outside.scatter(-1, order, outside), float("-inf"))
