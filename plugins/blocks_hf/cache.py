"""The state of a model as transformers' cache: generate() holds it, reorders it for beams, and hands it back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only
from transformers import Cache


class BlocksCache(Cache):
    """Whatever the blocks remember: keys and values, windows, the state of an SSM, counts of positions.

    Every tensor of a state has the batch as its first axis. A model replaces the state, never a tensor of it.
    """

    def __init__(self, state: Any = None, seen: int = 0) -> None:
        super().__init__(layers=[])
        self.state, self.seen = state, seen

    def step(self, state: Any, tokens: int) -> BlocksCache:
        """This cache after more tokens, with the state that they led to."""
        self.state, self.seen = state, self.seen + tokens
        return self

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """The tokens that were taken in, padding among them."""
        return self.seen

    def get_max_length(self, layer_idx: int | None = None) -> int:
        """-1: there is no maximum."""
        return -1

    def get_mask_sizes(self, query_length: int, layer_idx: int = 0) -> tuple[int, int]:
        """Length and offset of what may be attended to."""
        return self.seen + query_length, 0

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Row i becomes what row beam_idx[i] was."""
        self._rows(lambda t: t.index_select(0, beam_idx.to(t.device)))

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Each row `repeats` times."""
        self._rows(lambda t: t.repeat_interleave(repeats, dim=0))

    def batch_select_indices(self, indices: Tensor) -> None:
        """These rows alone."""
        self._rows(lambda t: t[indices.to(t.device)])

    def _rows(self, change: Callable[[Tensor], Tensor]) -> None:
        self.state = tree_map_only(torch.Tensor, change, self.state)

    def crop(self, tokens_to_remove: int) -> None:
        """Raise: a recurrent state cannot be taken back."""
        if tokens_to_remove:
            raise ValueError("the state of blocks cannot be cropped: keep a copy of an earlier one")

    def reset(self) -> None:
        """Forget everything."""
        self.state, self.seen = None, 0

    def __len__(self) -> int:
        return 0 if self.state is None else 1

    @property
    def is_initialized(self) -> bool:
        """Whether anything was taken in."""
        return self.state is not None

    @property
    def is_compileable(self) -> bool:
        """False: it grows."""
        return False

    @property
    def is_croppable(self) -> bool:
        """False."""
        return False

    @property
    def is_linear(self) -> list[bool]:
        """[False]: what was seen counts, and is not to be given again."""
        return [False]
