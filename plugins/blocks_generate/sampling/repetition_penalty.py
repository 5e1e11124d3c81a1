"""The repetition penalty: tokens that stand in the text already are less likely."""

import torch
from torch import Tensor


def repetition_penalty(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Logits [.., V], those of seen tokens divided by the penalty, or times it where they are below 0.

    seen bool [.., V], true at tokens of the prompt and of what was generated. Keskar et al. 2019, CTRL,
    arXiv:1909.05858, section 4.1, divides all; for a negative logit that would be a reward, so their code multiplies.
    """
    return torch.where(seen, torch.where(logits < 0, logits * penalty, logits / penalty), logits)
