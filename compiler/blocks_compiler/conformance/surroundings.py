"""What stands around a mixer that does not work alone: the memory it reads, the owner of the keys it borrows.

A memory is the same in every row, so that a row of a batch can be compared with the row alone. An owner reads
the inputs of its borrower; in the place of the borrower's state, which it has not, stands the owner's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from blocks import BuildError, Mixer
from blocks_compiler.backends.module import build_component
from blocks_compiler.conformance.measure import require

MEMORY_TOKENS = 11
"""Tokens of the memory, of which the last three are padding."""


def require_capabilities(mixer: Mixer) -> None:
    """Raise BuildError for a mixer that reads a memory or borrows keys without declaring that it can."""
    asked = {"cross": mixer.memory_width is not None, "borrows": mixer.borrows}
    for capability, wanted in asked.items():
        if wanted and capability not in mixer.capabilities():
            raise BuildError.of(
                "B0701",
                f"{mixer.name} does not declare {capability!r}",
                help="its capabilities() says what it can do",
            )


class Surroundings:
    """The arguments of a mixer's calls beside its inputs."""

    def __init__(
        self, mixer: Mixer, d_model: int, seed: int, rounded: Callable[[Tensor], Tensor] = lambda x: x
    ) -> None:
        self.mixer, self.d_model, self.seed, self.rounded = mixer, d_model, seed, rounded
        self._owners: dict[tuple[str, torch.dtype], Any] = {}

    def memory(
        self, batch: int, dtype: torch.dtype, device: torch.device, seed: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Standard normal values [batch, S, M] and a mask bool [batch, S], the same in every row."""
        assert self.mixer.memory_width is not None
        generator = torch.Generator().manual_seed(1000 * self.seed + 500 + seed)
        shape = (1, MEMORY_TOKENS, self.mixer.memory_width)
        values = torch.randn(shape, generator=generator, dtype=torch.float64)
        values = self.rounded(values).to(device, dtype)
        mask = torch.arange(MEMORY_TOKENS, device=device)[None] < MEMORY_TOKENS - 3
        return values.expand(batch, -1, -1), mask.expand(batch, -1)

    def owner(self, dtype: torch.dtype, device: torch.device) -> Any:
        """A module of the same declaration with keys and values of its own."""
        key = (device.type, dtype)
        if key not in self._owners:
            lender = type(self.mixer).model_validate(dict(self.mixer))
            name = str(dtype).removeprefix("torch.")
            made = build_component(lender, self.d_model, seed=self.seed + 7, device=device.type, dtype=name)
            for parameter in made.requires_grad_(False).parameters():
                parameter.copy_(self.rounded(parameter))
            self._owners[key] = made
        return self._owners[key]

    def arguments(self, x: Tensor, state: Any = None, mask: Tensor | None = None) -> dict[str, Any]:
        """The keyword arguments of `forward` for inputs x: what is None is left out."""
        given: dict[str, Any] = {"state": state, "mask": mask}
        if self.mixer.memory_width is not None and state is None:
            given["memory"] = self.memory(x.shape[0], x.dtype, x.device)
        if self.mixer.borrows:
            _, given["kv"] = self.owner(x.dtype, x.device)(x, state, mask)
            given["state"] = None
        return {name: value for name, value in given.items() if value is not None}

    def enclose(self, module: nn.Module, dtype: torch.dtype) -> Enclosed:
        """A module on the CPU together with what stands around it, as one."""
        if self.mixer.borrows:
            return Enclosed(module, owner=self.owner(dtype, torch.device("cpu")))
        if self.mixer.memory_width is None:
            return Enclosed(module)
        return Enclosed(module, memory=self.memory(1, dtype, torch.device("cpu")))

    def surround(self, module: nn.Module) -> nn.Module:
        """The module itself, called as any other from now on: module(x, state, mask) -> (y, state)."""
        if self.mixer.memory_width is None and not self.mixer.borrows:
            return module

        def before(_: nn.Module, args: Any, kwargs: Any) -> tuple[Any, Any]:
            given = dict(zip(("x", "state", "mask"), args, strict=False)) | kwargs
            return (given["x"],), self.arguments(**given)

        def after(_: nn.Module, args: Any, kwargs: Any, result: Any) -> Any:
            y, state = result
            require(state is None, "a borrower returns a state of its own: it has None")
            return y, kwargs["kv"]

        module.register_forward_pre_hook(before, with_kwargs=True)
        if self.mixer.borrows:
            module.register_forward_hook(after, with_kwargs=True)
        return module


class Enclosed(nn.Module):
    """A mixer with its surroundings as parts, so that the whole can be traced: its parameters and buffers are all."""

    def __init__(
        self, module: nn.Module, owner: nn.Module | None = None, memory: tuple[Tensor, Tensor] | None = None
    ) -> None:
        super().__init__()
        self.module, self.owner = module, owner
        self.values: Any
        self.real: Any
        for name, tensor in zip(("values", "real"), memory or (None, None), strict=True):
            self.register_buffer(name, tensor)

    def forward(self, x: Tensor, state: Any = None, mask: Tensor | None = None) -> tuple[Tensor, Any]:
        """As a mixer that has no surroundings."""
        given: dict[str, Any] = {"state": state, "mask": mask}
        if self.owner is not None:
            _, kv = self.owner(x, state, mask)
            y, _ = self.module(x, None, mask, kv=kv)
            return y, kv
        if self.values is not None and state is None:
            given["memory"] = self.values.expand(x.shape[0], -1, -1), self.real.expand(x.shape[0], -1)
        result: tuple[Tensor, Any] = self.module(x, **{name: v for name, v in given.items() if v is not None})
        return result
