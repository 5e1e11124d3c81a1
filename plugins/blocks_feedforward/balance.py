"""The load-balance loss of a model with experts, from the state that the model returns.

Shape letters: B batch, E experts.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor


def load_balance_loss(state: Any) -> Tensor:
    """E Σ_e f_e P_e: the least, K, where experts are used evenly, more where some are preferred.

    f_e is the mean number of a token's K assignments that go to expert e, P_e the mean of its probability, over
    the real tokens of all rows and of all routers in `state`: what a model returned, a part of it, or the state
    of one router. Fedus et al. 2021, Switch Transformers, arXiv:2101.03961, equations 4 to 6, without their
    factor alpha; over several layers at once as transformers has it for Mixtral. Its gradient is that of P_e.

    Raises ValueError for a state without a router, or with routers over different numbers of experts.
    """
    found = list(routers(state))
    sizes = sorted({routed.shape[-1] for routed in found})
    if len(sizes) != 1:
        have = f"routers over {' and '.join(map(str, sizes))} experts" if sizes else "no router"
        raise ValueError(
            f"a load-balance loss needs routers over as many experts each; this state has {have}"
        )
    assigned, probability = torch.stack(found).sum(dim=0)
    tokens = probability.detach().sum().round().clamp(min=1)  # the probabilities of a token sum to one
    loss: Tensor = sizes[0] * (assigned / tokens * (probability / tokens)).sum()
    return loss


def routers(state: Any) -> Iterator[Tensor]:
    """The statistics [2, E] of every router in a state, in order."""
    if getattr(state, "_fields", None) == ("routed",):
        yield state.routed if state.routed.dim() == 2 else state.routed.sum(dim=0)
    elif isinstance(state, Mapping):
        for part in state.values():
            yield from routers(part)
    elif isinstance(state, tuple | list):
        for part in state:
            yield from routers(part)
