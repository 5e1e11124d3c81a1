"""Heads as modules.

Shape letters: B batch, T tokens in this call, D d_model, V vocab_size.
"""

import torch.nn.functional as F
from torch import Tensor, nn


class LMHead(nn.Linear):
    """A linear map from x [B, T, D] to logits [B, T, V].

    For one token a row, as in decoding, the table stands on the left of the product: a CPU then streams it
    once instead of once a row.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of x."""
        if x.shape[1] != 1:
            return F.linear(x, self.weight, self.bias)
        logits = (self.weight @ x[:, 0].mT).mT.contiguous()
        return (logits if self.bias is None else logits + self.bias)[:, None]
