"""Which weights decay.

Decay pulls a matrix towards the zero map, which is a prior worth having. A bias, the scale of a norm, or the parameters
of a recurrence mean something else at zero, so they are left alone. The rule:

1. a parameter of fewer than two dimensions does not decay: biases, scales of norms, D and dt_bias of Mamba;
2. nor does one that the class of its module lists in `no_weight_decay`, as A_log of Mamba-1, which is a table of
   logarithms (Gu & Dao 2023, arXiv:2312.00752; their code marks A_log, D and dt_bias);
3. tables of tokens and positions decay unless the option `decay_embeddings` says that they do not;
4. everything else decays: the weights of linear maps, convolutions, experts.

A weight that is shared counts once, by the first name that the model has for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn


def decays(model: nn.Module, *, embeddings: bool = True) -> Iterator[tuple[str, nn.Parameter, bool]]:
    """Name, parameter, and whether it decays, of every parameter that has a gradient, in the model's order."""
    left_alone: set[int] = set()
    tables: set[int] = set()
    for module in model.modules():
        for name in getattr(type(module), "no_weight_decay", ()):
            parameter = module._parameters.get(name)
            if parameter is not None:
                left_alone.add(id(parameter))
        if isinstance(module, nn.Embedding) or getattr(type(module), "is_table", False):
            tables.update(map(id, module.parameters(recurse=False)))
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            kept = parameter.dim() < 2 or id(parameter) in left_alone
            yield name, parameter, not kept and (embeddings or id(parameter) not in tables)


def groups(
    model: nn.Module, lr: float, weight_decay: float, *, embeddings: bool = True
) -> list[dict[str, Any]]:
    """Parameter groups for an optimizer of torch: those that decay, those that do not, either only if it has any."""
    rows = list(decays(model, embeddings=embeddings))
    found: list[dict[str, Any]] = []
    for wanted, decay in ((True, weight_decay), (False, 0.0)):
        chosen = [(name, parameter) for name, parameter, does in rows if does is wanted]
        if chosen:
            found.append({"params": chosen, "weight_decay": decay, "lr": lr, "initial_lr": lr})
    return found
