"""A built model as generation calls it: ids in, logits of the next token out, and a state between.

Shapes: B rows, T tokens of a call, V vocabulary, D width of what the head reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from blocks import UsageError, load, split_heads
from blocks.registry import Registry
from blocks_generate.facts import facts_of


class LanguageModel:
    """A model of `blocks.build` or `blocks.from_pretrained`: one that writes tokens.

    `known` is the number of ids that the tokenizer has: those beyond, which fill a table up to a round number of
    rows, are not written. V is that, or else the model's own.
    Raises UsageError for a module that blocks did not build, BuildError for a model that writes no tokens.
    """

    def __init__(
        self, model: nn.Module, *, registry: Registry | None = None, known: int | None = None
    ) -> None:
        recipe = getattr(model, "recipe", None)
        if not isinstance(recipe, str):
            raise UsageError.of(
                "B1701",
                f"a {type(model).__name__} does not say what recipe it was built from",
                help="a model of blocks.build or blocks.from_pretrained",
            )
        self.facts = facts_of(load(recipe).plan(registry=registry))
        body, heads = split_heads(model, self.facts.plan)
        self.body: Any = body
        paths = {stage.path: path for path, stage in self.facts.plan.head_paths.items()}
        self.head = heads[paths[self.facts.head.path]]
        self.known = min(self.facts.vocab_size, known or self.facts.vocab_size)
        self.device = next(model.parameters()).device

    def read(
        self, texts: Sequence[Sequence[int]], sources: Sequence[Sequence[int]], chunk: int
    ) -> tuple[Tensor, Any]:
        """Logits [B, V] of what follows each text, and the state; `sources` what an encoder reads, or none.

        Texts of several lengths stand at the right of one tensor, behind padding that the model is told of.
        `chunk` tokens are read in one call.
        """
        tokens, mask = self._padded(texts, at_right=True)
        x: Any = None
        state: Any = None
        for start in range(0, tokens.shape[1], chunk):
            here = slice(start, start + chunk)
            part = None if mask is None else mask[:, here]
            if state is None and sources:
                source, source_mask = self._padded(sources, at_right=False)
                x, state = self.body(source, tokens[:, here], None, source_mask, part)
            elif sources:
                x, state = self.body(None, tokens[:, here], state, None, part)
            else:
                x, state = self.body(tokens[:, here], state, part)
        return self._logits(x), state

    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Logits [B, V] after one more token a row, int64 [B], and the state."""
        given = (None, tokens[:, None]) if self.facts.translates else (tokens[:, None],)
        x, state = self.body(*given, state)
        return self._logits(x), state

    def _logits(self, x: Any) -> Tensor:
        """What the head makes of the last token."""
        if self.facts.head.name:
            x = x[self.facts.head.name]
        logits: Tensor = self.head(x[:, -1:])[:, 0, : self.known]
        return logits.to(torch.promote_types(logits.dtype, torch.float32))

    def _padded(self, rows: Sequence[Sequence[int]], *, at_right: bool) -> tuple[Tensor, Tensor | None]:
        """Ids int64 [B, T], and a mask bool [B, T] that is true at them; None where all rows are as long."""
        width = max(map(len, rows))
        ids, real = [], []
        for row in rows:
            gap = width - len(row)
            ids.append([0] * gap + [*row] if at_right else [*row] + [0] * gap)
            real.append([False] * gap + [True] * len(row) if at_right else [True] * len(row) + [False] * gap)
        tokens = torch.tensor(ids, dtype=torch.int64, device=self.device)
        if all(len(row) == width for row in rows):
            return tokens, None
        return tokens, torch.tensor(real, device=self.device)


def rows_of(state: Any, index: Tensor) -> Any:
    """The state whose row i is row index[i] of another one: the batch is the first axis of every tensor."""
    return tree_map_only(Tensor, lambda t: t.index_select(0, index), state)
