"""The length penalty of beam search."""

import math


def length_penalty(length: int, alpha: float) -> float:
    """What the log-probability of a text of so many tokens is divided by.

    lp(Y) = (5 + |Y|)^alpha / (5 + 1)^alpha. Wu et al. 2016, arXiv:1609.08144, equation 14.
    """
    return math.pow((5 + length) / 6, alpha)
