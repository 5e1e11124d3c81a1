"""Temperature: how far apart probabilities are."""

from torch import Tensor


def temperature(logits: Tensor, value: float) -> Tensor:
    """Logits [.., V] divided by a temperature above 0: below 1 likely tokens become likelier.

    Ackley, Hinton and Sejnowski 1985, equation 5, with the energy gap as the logit.
    """
    return logits / value
