"""A moving average of the weights, which is often better than the weights themselves."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """The exponential moving average of a model's parameters, in float32, without a bias to where it began.

    After n updates with decay β it is Σ_i β^(n-i) w_i / Σ_i β^(n-i), over the weights w_1 … w_n that it was shown:
    the average of Polyak and Juditsky (1992, SIAM J. Control Optim. 30:838-855) with a memory of about 1 / (1 - β)
    steps. Kingma and Ba 2014 (arXiv:1412.6980, section 3) start such a sum at zero and divide by 1 - β^n; dividing as
    it goes, that is one step towards each w_n:

        a_n = a_(n-1) + (1 - β) / (1 - β^n) (w_n - a_(n-1))

    The first step is a whole one, so the weights before training have no part in it. Buffers are not averaged.
    Of a sharded model each process keeps the average of its shards.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        if not 0 < decay < 1:
            raise ValueError(f"a decay lies between 0 and 1, and this is {decay}")
        self.decay = decay
        self.count = 0
        self.weights = {
            name: torch.zeros_like(parameter, dtype=torch.float32, requires_grad=False)
            for name, parameter in model.named_parameters()
        }

    @property
    def rate(self) -> float:
        """(1 - β) / (1 - β^n), of the next update: 1 at first, in the end 1 - β."""
        log = math.log(self.decay)
        return math.expm1(log) / math.expm1((self.count + 1) * log)

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take in the weights of a model as they are now."""
        rate = self.rate
        let_go(model)
        shown = [parameter.detach().float() for _, parameter in model.named_parameters()]
        torch._foreach_lerp_(list(self.weights.values()), shown, rate)
        self.count += 1

    @contextmanager
    def instead(self, model: nn.Module) -> Iterator[None]:
        """Let a model have the average as its weights, for as long as the block lasts; nothing before an update."""
        if not self.count:
            yield
            return
        let_go(model)
        own = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
        self._put(model, self.weights)
        try:
            yield
        finally:
            self._put(model, own)

    @staticmethod
    @torch.no_grad()
    def _put(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
        let_go(model)
        for name, parameter in model.named_parameters():
            parameter.copy_(weights[name])

    def load(self, weights: Mapping[str, Tensor], count: int) -> None:
        """Go on from an average of `count` updates. Raises ValueError where it is of another model."""
        if weights.keys() != self.weights.keys():
            other = sorted(weights.keys() ^ self.weights.keys())
            raise ValueError(f"an average of another model: {other[0]} is in one of them only")
        for name, tensor in self.weights.items():
            tensor.copy_(weights[name])
        self.count = count


def let_go(model: nn.Module) -> None:
    """Have a sharded model (FSDP2) drop what it gathered for a forward pass, so that its parameters are its shards."""
    for module in model.modules():
        reshard = getattr(module, "reshard", None)
        if callable(reshard):
            reshard()
