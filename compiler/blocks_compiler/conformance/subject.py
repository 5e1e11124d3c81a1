"""The mixer under test: its modules and inputs, made from a seed and nothing else."""

from __future__ import annotations

import sys
from functools import lru_cache
from math import lcm
from typing import Any

import torch
from torch import Tensor, nn

from blocks import Mixer, Polynomial, Sizes
from blocks_compiler.backends.module import build_component
from blocks_compiler.conformance.surroundings import Surroundings

LONGEST = 8192
"""The longest sequence that is ever tried, in tokens, and only where nothing is computed."""


class Subject:
    """A mixer bound to a width, and what is needed to try it.

    mixer    the declaration as given
    bound    the same, its defaults filled in for d_model
    around   the memory that it reads, or the owner of what it borrows; modules are called as if there were none
    through  the dtype that weights and inputs have been rounded to, whatever they are computed in; None: not
    """

    def __init__(self, mixer: Mixer, d_model: int, seed: int = 0, through: torch.dtype | None = None) -> None:
        self.mixer, self.d_model, self.seed, self.through = mixer, d_model, seed, through
        self.bound = mixer.bind(Sizes(d_model))
        self.cost = self.bound.cost()
        self.can = self.bound.capabilities()
        self.around = Surroundings(mixer, d_model, seed, self.rounded)
        self._modules: dict[torch.dtype, nn.Module] = {}
        self._weights: dict[str, Tensor] = {}

    def rounded(self, x: Tensor) -> Tensor:
        """The values of x as they are in the dtype `through`, in the dtype of x."""
        return x if self.through is None else x.to(self.through).to(x.dtype)

    def fresh(self, dtype: torch.dtype = torch.float32, device: str = "cpu", seed: int | None = None) -> Any:
        """A new module as the compiler would build it."""
        return self.around.surround(self._build(dtype, device, seed))

    def _build(self, dtype: torch.dtype, device: str = "cpu", seed: int | None = None) -> nn.Module:
        name = str(dtype).removeprefix("torch.")
        seed = self.seed if seed is None else seed
        return build_component(self.mixer, self.d_model, seed=seed, device=device, dtype=name)

    def offers(self, method: str) -> bool:
        """Whether the module has a method; also where it cannot be built, which is for the cases to say."""
        try:
            return callable(getattr(self.fresh(device="meta"), method, None))
        except Exception:
            return True

    def start(self, module: nn.Module) -> None:
        """Draw the weights of a module that `fresh` made."""
        sys.modules[type(module).__module__].init_weights(module, self.seed)

    def module(self, dtype: torch.dtype = torch.float64) -> Any:
        """A module with every weight stirred, so that no zero bias and no weight of one hides a mistake.

        Matrices get noise of standard deviation 0.5/sqrt(fan-in), vectors of 0.1: enough to be seen, and not so
        much that products of several of them are badly conditioned. The same weights in every dtype, rounded from
        those in fp64.
        """
        if dtype not in self._modules:
            self._modules[dtype] = self.around.surround(self._stirred(dtype))
        return self._modules[dtype]

    def enclosed(self, dtype: torch.dtype) -> nn.Module:
        """A new module with the weights of `module`, which holds what stands around it, and can be traced."""
        return self.around.enclose(self._stirred(dtype), dtype)

    @torch.no_grad()
    def _stirred(self, dtype: torch.dtype) -> nn.Module:
        if not self._weights:
            generator = torch.Generator().manual_seed(self.seed + 1)
            for name, parameter in self._build(torch.float64).named_parameters():
                scale = 0.5 * parameter.shape[-1] ** -0.5 if parameter.ndim > 1 else 0.1
                noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
                self._weights[name] = self.rounded(parameter + scale * noise)
        made = self._build(dtype)
        for name, parameter in made.named_parameters():
            parameter.copy_(self._weights[name])
        return made

    def inputs(self, batch: int, tokens: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
        """Standard normal x [batch, tokens, d_model]."""
        generator = torch.Generator().manual_seed(1000 * self.seed + seed)
        x = torch.randn(batch, tokens, self.d_model, generator=generator, dtype=torch.float64)
        return self.rounded(x).to(dtype)

    def output_shape(self, x: Tensor) -> tuple[int, ...]:
        """The shape that the output for x has to have."""
        return (*x.shape[:2], self.bound.out_width(self.d_model))

    def pull(self, batch: int, tokens: int, dtype: torch.dtype = torch.float64, seed: int = 1) -> Tensor:
        """Standard normal weights [batch, tokens, out_width] of the outputs."""
        generator = torch.Generator().manual_seed(1000 * self.seed + seed)
        width = self.bound.out_width(self.d_model)
        return torch.randn(batch, tokens, width, generator=generator, dtype=torch.float64).to(dtype)

    @property
    def bounds(self) -> tuple[int, ...]:
        """Lengths at which the mixer changes its ways, such as a window or a chunk: those of its cost."""
        found = set()
        for size in (self.cost.flops, self.cost.step or 0, self.cost.state, self.cost.state_fp32):
            for monomial, _ in Polynomial.of(size).terms:
                found |= {atom.bound for atom, _ in monomial if atom.bound}
        return tuple(sorted(found))

    @property
    def length(self) -> int:
        """A prime number of tokens that passes every bound twice, bounds above 64 aside."""
        twice = 2 * max((bound for bound in self.bounds if bound <= 64), default=16)
        return next_prime(max(37, twice + 2))

    @property
    def whole_lengths(self) -> tuple[int, ...]:
        """Three lengths at which a cost is exact: below every bound, or a multiple of all of them."""
        least = min(self.bounds, default=LONGEST)
        step = lcm(*self.bounds) if self.bounds else 16
        short = [tokens for tokens in (2, 5, 24) if tokens <= least]
        whole = [tokens for tokens in (step, 2 * step, 3 * step) if 2 <= tokens <= LONGEST]
        return tuple(sorted([*dict.fromkeys((*short[:1], *whole, *short))][:3]))


@lru_cache
def next_prime(number: int) -> int:
    """The least prime at or above a number."""
    while any(number % divisor == 0 for divisor in range(2, int(number**0.5) + 1)):
        number += 1
    return number
