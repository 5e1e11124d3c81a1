"""Min-p: tokens that are not too unlikely beside the likeliest one."""

from torch import Tensor


def min_p(logits: Tensor, share: float) -> Tensor:
    """Logits [.., V], minus infinity where a probability is below `share` of the greatest one.

    Nguyen et al. 2024, arXiv:2407.01082, section 3.
    """
    probabilities = logits.softmax(dim=-1)
    least = share * probabilities.amax(dim=-1, keepdim=True)
    return logits.masked_fill(probabilities < least, float("-inf"))
