"""Which weights decay.

Decay pulls a matrix towards the map to zero, which is a prior worth having. A bias, the scale of a norm or the time
constants of a recurrence mean something else at zero, so they are left alone. The rule:

1. a parameter of fewer than two dimensions does not decay: biases, scales of norms, D and dt_bias of Mamba-2;
2. nor does one that the class of its module names in `no_weight_decay`: A_log of Mamba-1 has two dimensions (Gu and
   Dao 2023, arXiv:2312.00752, whose code marks it, D and the bias of dt so), and so do the biases of experts;
3. tables decay unless `decay_embeddings` is false: those of an nn.Embedding, and those that a class names in `tables`;
4. everything else decays: linear maps, convolutions, experts, routers, untied heads.

A parameter that several modules share is one parameter: it does not decay where one of them says so, and is a table
where one of them has it as a table, as a tied head has.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn


def decays(model: nn.Module, *, embeddings: bool = True) -> Iterator[tuple[str, nn.Parameter, bool]]:
    """Name, parameter and whether it decays, of every parameter that is trained, in the model's order."""
    alone: set[int] = set()
    tables: set[int] = set()
    for module in model.modules():
        own = {name: id(parameter) for name, parameter in module._parameters.items() if parameter is not None}
        alone |= {own[name] for name in getattr(type(module), "no_weight_decay", ()) if name in own}
        named = ("weight",) if isinstance(module, nn.Embedding) else getattr(type(module), "tables", ())
        tables |= {own[name] for name in named if name in own}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            is_left = parameter.dim() < 2 or id(parameter) in alone
            yield name, parameter, not is_left and (embeddings or id(parameter) not in tables)


def groups(
    model: nn.Module, lr: float, weight_decay: float, *, embeddings: bool = True
) -> list[dict[str, Any]]:
    """Parameter groups for an optimizer of torch: what decays, then what does not; either where there is any.

    Parameters go by name, and each group has its `initial_lr`, which a schedule scales.
    """
    rows = list(decays(model, embeddings=embeddings))
    found: list[dict[str, Any]] = []
    for wanted, decay in ((True, weight_decay), (False, 0.0)):
        chosen = [(name, parameter) for name, parameter, does in rows if does is wanted]
        if chosen:
            found.append({"params": chosen, "weight_decay": decay, "lr": lr, "initial_lr": lr})
    return found
