"""Calling a body and its heads: tokens, types, pixels and states in, hidden states and what heads make of them out."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from blocks_hf.body import block_modules
from blocks_hf.cache import BlocksCache
from blocks_hf.configuration import BlocksConfig
from blocks_hf.facts import Facts


class Calling(nn.Module):
    """What the models have in common when they are called. Shapes: B batch, T tokens, S of the source, D d_model."""

    config: BlocksConfig
    facts: Facts
    model: nn.Module
    main_input_name: str
    loss_function: Any
    post_init: Any

    def _states(
        self,
        ids: Tensor | None,
        mask: Tensor | None,
        types: Tensor | None = None,
        pixels: Tensor | None = None,
        state: Any = None,
        record: bool | None = None,
    ) -> tuple[Tensor, Any, tuple[Tensor, ...] | None]:
        """Of one stream: hidden states [B, T, D], the state after them, what all blocks read where that is wanted."""
        given, other = (pixels, ids) if self.facts.main == "pixels" else (ids, pixels)
        if given is None or other is not None:
            raise ValueError(f"{self.facts.plan.name} reads {self.main_input_name}, and that alone")
        with self._recorded(record) as found:
            x, state = self.model(given, state, mask, **self._typed(0, types))
        x = _same(x)
        return x, state, None if found is None else (*found, x)

    def _encoded(
        self, given: Any, ids: Tensor | None, mask: Tensor | None, types: Tensor | None, state: Any
    ) -> Tensor | None:
        """Of two streams: the encoder's states [B, S, D] of the source, unless given; None once a state has them."""
        if given is not None:
            memory: Tensor = given[0]
            return memory
        if ids is None:
            if state is None:
                raise ValueError(f"{self.facts.plan.name} reads input_ids, or encoder_outputs")
            return None
        encoder = self.model.get_submodule(self.facts.streams[0].name)
        memory, _ = encoder(ids, None, mask_of(mask, ids), **self._typed(0, types))
        return memory

    def _decoded(
        self,
        ids: Tensor | None,
        mask: Tensor | None,
        memory: Tensor | None,
        memory_mask: Tensor | None,
        state: Any,
        record: bool | None,
    ) -> tuple[Tensor, Any, tuple[Tensor, ...] | None]:
        """Of two streams: hidden states [B, T, D] of the target, the state after them, and what all blocks read."""
        if ids is None:
            raise ValueError(f"{self.facts.plan.name} reads decoder_input_ids")
        decoder = self.model.get_submodule(self.facts.streams[1].name)
        read = None
        if state is None:
            assert memory is not None
            read = memory, mask_of(memory_mask, memory[..., 0])
        with self._recorded(record) as found:
            x, state = decoder(ids, state, mask_of(mask, ids), read)
        x = _same(x)
        return x, state, None if found is None else (*found, x)

    def _typed(self, stream: int, types: Tensor | None) -> dict[str, Tensor]:
        """Token types as the stream's argument. Raises ValueError for types other than 0 where it has none."""
        if types is None:
            return {}
        if self.facts.typed[stream]:
            return {"types": types}
        if not torch.compiler.is_compiling() and bool(types.any()):
            raise ValueError(f"{self.facts.plan.name} has no token types")
        return {}

    def _head(self) -> nn.Module:
        """The head that says what kind of model this is."""
        assert self.facts.head is not None
        return self.get_submodule(self._path(self.facts.head.path))

    def _path(self, path: str) -> str:
        stream = self.facts.streams[-1].name
        return path.removeprefix(f"{stream}.") if stream else path

    def _logits(self, x: Tensor, mask: Tensor | None, keep: int | Tensor = 0) -> Tensor:
        """What the head makes of hidden states [B, T, D]; `keep`: of the last so many tokens, or of these, alone."""
        head: Any = self.facts.head
        if isinstance(keep, Tensor):
            x = x[:, keep]
        elif keep and keep < x.shape[1]:
            x = x[:, -keep:]
        logits: Tensor = self._head()(x, mask) if head.component.takes_mask else self._head()(x)
        return logits

    def _pooled(self, x: Tensor, mask: Tensor | None) -> Tensor | None:
        stage: Any = self.facts.pooler
        if stage is None:
            return None
        head = self.get_submodule(self._path(stage.path))
        pooled: Tensor = head(x, mask) if stage.component.takes_mask else head(x)
        return pooled

    @contextmanager
    def _recorded(self, wanted: bool | None) -> Iterator[list[Tensor] | None]:
        """What every block read while this was open; None unless it is wanted."""
        if not (self.config.output_hidden_states if wanted is None else wanted):
            yield None
            return
        found: list[Tensor] = []
        thread = threading.get_ident()

        def note(module: nn.Module, args: tuple[Any, ...]) -> None:
            if threading.get_ident() == thread:
                unsummed = "y" in inspect.signature(type(module).forward).parameters and args[1] is not None
                found.append(args[0] + args[1] if unsummed else args[0])

        hooks = [b.register_forward_pre_hook(note) for b in block_modules(self.model, self.facts)]
        try:
            yield found
        finally:
            for hook in hooks:
                hook.remove()

    def _cached(self, cache: Any, use_cache: bool | None) -> tuple[Any, BlocksCache | None]:
        """The state to go on from, and the cache that takes the next one in; None: nothing is kept."""
        if cache is not None and not isinstance(cache, BlocksCache):
            raise ValueError(f"the cache of blocks is a BlocksCache, not a {type(cache).__name__}")
        keep = self.config.use_cache and not self.training if use_cache is None else use_cache
        if cache is None:
            cache = BlocksCache() if keep else None
        return (None if cache is None else cache.state), cache


def mask_of(attention_mask: Tensor | None, x: Tensor | None) -> Tensor | None:
    """The mask bool [B, T] of the T tokens of a call; None where all are real.

    attention_mask is [B, S] with S >= T: past tokens may come first. Raises ValueError for another shape.
    """
    if attention_mask is None or x is None:
        return None
    if attention_mask.ndim != 2 or attention_mask.shape[1] < x.shape[1]:
        raise ValueError(f"attention_mask {[*attention_mask.shape]} does not fit tokens {[*x.shape]}")
    mask = attention_mask[:, attention_mask.shape[1] - x.shape[1] :].bool()
    return None if not torch.compiler.is_compiling() and bool(mask.all()) else mask


def _same(x: Any) -> Tensor:
    """What all heads read, where there are several."""
    found: Tensor = next(iter(x.values())) if isinstance(x, dict) else x
    return found


def refuse(**given: Any) -> None:
    """Raise ValueError for arguments that others have and blocks have not."""
    for name, value in given.items():
        if value is not None and value is not False:
            raise ValueError(f"blocks take no {name}")
