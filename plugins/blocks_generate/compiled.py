"""Decoding as one graph: states with room that a step writes into, and the step compiled once.

Where the device is a GPU the graph is replayed as a CUDA graph, so a state keeps its addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from types import FunctionType
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only

from blocks import BuildError
from blocks_generate.language_model import LanguageModel

GROWS = "B1709"

Sizes: TypeAlias = tuple[torch.Size, ...]
"""Of the tensors of a state, in order."""


class CompiledLanguageModel(LanguageModel):
    """Reads prompts as it is written, and goes on in a compiled step that changes the state in place.

    What a mixer remembers has a fixed size, or the mixer can `reserve` room for it. Of the rest of a state, such as
    that of a recurrence, the new values are copied over the old ones in the same graph. The first step of all runs
    as it is written, to see which are which; then there is a graph for each size of the state. `capacity` is the
    number of tokens that a row may have in all. `fixed`: a state is copied into the one that was there before, if it
    has the same size, so that addresses stay; default: on a GPU.
    """

    def __init__(
        self,
        model: nn.Module,
        capacity: int,
        *,
        backend: str = "inductor",
        fixed: bool | None = None,
        **options: Any,
    ) -> None:
        super().__init__(model, **options)
        self.plain = LanguageModel(model, **options)
        self.capacity = capacity
        self.fixed = self.device.type == "cuda" if fixed is None else fixed
        self.backend = backend
        self.graphs: dict[Sizes, Callable[[LanguageModel, Tensor, Any, tuple[int, ...]], Tensor]] = {}
        self.moved: tuple[int, ...] | None = None
        """Which tensors of a state are new after a step; None before the first."""
        self.kept: dict[Sizes, Any] = {}

    def read(
        self, texts: Sequence[Sequence[int]], sources: Sequence[Sequence[int]], chunk: int
    ) -> tuple[Tensor, Any]:
        """As in a LanguageModel; the state has room."""
        with _returned(self.body) as owners:
            logits, state = super().read(texts, sources, chunk)
        return logits, _reserved(state, owners, self.capacity)

    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """As in a LanguageModel; the state that is returned is the one that was given, changed.

        Raises BuildError at the first step, where a part of the state grows.
        """
        if self.moved is None:
            logits, new = super().step(tokens, state)
            self.moved = self._moved(state, new)
            _copy(state, new, self.moved)
            return logits, state
        sizes = tuple(leaf.shape for leaf in tree_leaves(state) if isinstance(leaf, Tensor))
        if sizes not in self.graphs:
            self.graphs[sizes] = self._compiled()
        if self.fixed:
            state = self._settled(state, sizes)
        return self.graphs[sizes](self.plain, tokens, state, self.moved).clone(), state

    def _compiled(self) -> Callable[..., Tensor]:
        """The step, to be compiled at its first call, apart from that of every other size."""
        mode = "reduce-overhead" if self.device.type == "cuda" else None
        return torch.compile(_own(_in_place), fullgraph=True, dynamic=False, backend=self.backend, mode=mode)

    def _moved(self, old: Any, new: Any) -> tuple[int, ...]:
        before, after = tree_leaves(old), tree_leaves(new)
        if [_size(leaf) for leaf in before] != [_size(leaf) for leaf in after]:
            raise BuildError.of(
                GROWS,
                f"a block of {self.facts.plan.name} has a state that grows, and no `reserve`",
                help="leave out --compile",
            )
        pairs = enumerate(zip(before, after, strict=True))
        return tuple(index for index, (was, now) in pairs if isinstance(was, Tensor) and was is not now)

    def _settled(self, state: Any, sizes: Sizes) -> Any:
        """The state of these sizes that was there before, with the values of a new one."""
        if sizes not in self.kept:
            self.kept[sizes] = state
            for leaf in tree_leaves(state) if self.device.type == "cuda" else ():
                if isinstance(leaf, Tensor):
                    torch._dynamo.mark_static_address(leaf)
        kept = self.kept[sizes]
        if kept is not state:
            for old, new in zip(tree_leaves(kept), tree_leaves(state), strict=True):
                if isinstance(old, Tensor):
                    old.copy_(new)
        return kept


def compiled(model: nn.Module, capacity: int, *, known: int | None, **options: Any) -> CompiledLanguageModel:
    """That of a model, for rows of so many tokens; the same one each time, so that later calls find its graphs."""
    place = next(model.parameters()).device, known
    found = _COMPILED.setdefault(model, {})
    if place not in found:
        found[place] = CompiledLanguageModel(model, capacity, known=known, **options)
    found[place].capacity = capacity
    return found[place]


_COMPILED: WeakKeyDictionary[nn.Module, dict[Any, CompiledLanguageModel]] = WeakKeyDictionary()
_numbers = count()


def _own(function: Any) -> Any:
    """The function with a code object of its own: by those torch.compile knows its graphs, and counts them."""
    code = function.__code__.replace(co_name=f"{function.__name__}_{next(_numbers)}")
    return FunctionType(code, function.__globals__, code.co_name)


def _in_place(language: LanguageModel, tokens: Tensor, state: Any, moved: tuple[int, ...]) -> Tensor:
    """Logits [B, V] after one more token a row; the state becomes that after it."""
    logits, new = language.step(tokens, state)
    _copy(state, new, moved)
    return logits


def _copy(old: Any, new: Any, which: Sequence[int]) -> None:
    """Copy some tensors of one state over those of another."""
    before, after = tree_leaves(old), tree_leaves(new)
    for index in which:
        before[index].copy_(after[index])


def _size(leaf: Any) -> Any:
    return (leaf.shape, leaf.dtype) if isinstance(leaf, Tensor) else leaf


@contextmanager
def _returned(body: nn.Module) -> Iterator[dict[int, tuple[nn.Module, Any]]]:
    """While it is open, the states that mixers return which can reserve room: id of the state -> mixer, state."""
    found: dict[int, tuple[nn.Module, Any]] = {}

    def note(mixer: nn.Module, _: Any, output: Any) -> None:
        if output[1] is not None:
            found[id(output[1])] = mixer, output[1]

    mixers = [module for module in body.modules() if callable(getattr(module, "reserve", None))]
    handles = [mixer.register_forward_hook(note) for mixer in mixers]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _reserved(state: Any, owners: dict[int, tuple[Any, Any]], capacity: int) -> Any:
    """A state in which each mixer's own has room, and no tensor is shared with another state."""
    if id(state) in owners:
        return owners[id(state)][0].reserve(state, capacity)
    if isinstance(state, dict):
        return {key: _reserved(value, owners, capacity) for key, value in state.items()}
    if isinstance(state, tuple):
        values = [_reserved(value, owners, capacity) for value in state]
        return type(state)(*values) if hasattr(state, "_fields") else tuple(values)
    return tree_map_only(Tensor, torch.clone, state)
