"""The cross-entropy of a linear map's logits in plain torch, as the formulas say.

Shape letters: N tokens, E columns of the table, V vocab_size.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORED = -100
"""The target of a token at which nothing is predicted."""


def linear_cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    *,
    logit_cap: float | None = None,
    smoothing: float = 0.0,
    z_loss: float = 0.0,
    reduction: str = "none",
) -> Tensor:
    """The loss in nats of every token [N], 0 where its target is -100; their sum where `reduction` is sum.

    hidden [N, E], weight [V, E], bias [V] or None, targets int64 [N]. Logits are float32, or float64 where hidden is;
    in autocast the operands are rounded to its dtype, as those of a linear map are.

    `logit_cap` bounds them to cap * tanh(logits / cap), Gemma Team 2024, arXiv:2408.00118, section 2.
    `smoothing` is the share of the target that is spread evenly over all V, Szegedy et al. 2015, arXiv:1512.00567,
    section 7; `z_loss` the factor of log(Z)^2, Z the softmax's denominator, Chowdhery et al. 2022, PaLM,
    arXiv:2204.02311, section 5.
    """
    hidden, weight, bias = operands(hidden, weight, bias)
    wide = torch.promote_types(hidden.dtype, torch.float32)
    with torch.autocast(hidden.device.type, enabled=False):
        logits = F.linear(hidden.to(wide), weight.to(wide), None if bias is None else bias.to(wide))
        if logit_cap is not None:
            logits = logit_cap * torch.tanh(logits / logit_cap)
        losses = cross_entropy(logits, targets, smoothing=smoothing, z_loss=z_loss)
        return losses.sum() if reduction == "sum" else losses


def cross_entropy(logits: Tensor, targets: Tensor, *, smoothing: float = 0.0, z_loss: float = 0.0) -> Tensor:
    """The loss of every token [N] from its logits [N, V], which become float32 or stay float64; options as above."""
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    losses = F.cross_entropy(
        logits, targets, ignore_index=IGNORED, label_smoothing=smoothing, reduction="none"
    )
    if z_loss:
        squares = logits.logsumexp(dim=1).square()
        losses = losses + z_loss * squares.masked_fill(targets == IGNORED, 0)
    return losses


def operands(hidden: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """The operands of a linear map in one dtype: that of autocast, where it is on, as torch's own maps do it."""
    device = hidden.device.type
    dtype = hidden.dtype
    if torch.is_autocast_enabled(device) and dtype != torch.float64:
        dtype = torch.get_autocast_dtype(device)
    return hidden.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
