"""Generation from Python: prompts in, pieces of text out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from blocks.registry import Registry
from blocks.tokenizer import Coder
from blocks_generate.batches import batches
from blocks_generate.beams import search
from blocks_generate.language_model import LanguageModel
from blocks_generate.options import Options
from blocks_generate.pieces import Piece
from blocks_generate.prompts import read_prompts
from blocks_generate.sample import sample


def generate(
    model: nn.Module,
    coder: Coder | None,
    prompts: str | Sequence[str | Sequence[int]],
    *,
    registry: Registry | None = None,
    **options: Any,
) -> Iterator[Piece]:
    """Continue prompts with a model; yields a Piece for each token, or with beams for each text.

    model    of `blocks.build` or `blocks.from_pretrained`: a language model, or an encoder-decoder, which reads the
             prompts and writes other texts. It runs in evaluation mode, without gradients
    coder    its tokenizer, as `blocks.open_tokenizer` gives it; None for prompts of ids, whose texts are then empty
    prompts  texts, or token ids; one, or several of any lengths
    options  those of `Options`: max_new_tokens, temperature, top_p, beams, stop, seed …

    What is greedy is the same whatever `batch` and `chunk` are, and so is what is drawn, up to rounding: every text
    draws from numbers of its own. `complete(pieces)` puts whole texts together.
    Raises UsageError for options that cannot be, BuildError for a model or prompts that cannot be continued: all of
    them, before the first piece is asked for.
    """
    chosen = Options(**options)
    chosen.check()
    known = None if coder is None else coder.vocab_size
    language = LanguageModel(model, registry=registry, known=known)
    given = [prompts] if isinstance(prompts, str) else list(prompts)
    asked = read_prompts(language.facts, coder, given, chosen)
    if chosen.compile:
        from blocks_generate.compiled import compiled

        capacity = max((len(prompt.ids) for prompt in asked), default=1) + chosen.max_new_tokens
        capacity = min(capacity, language.facts.target or capacity)
        language = compiled(model, capacity, registry=registry, known=known)
    roles: Mapping[str, int] = {} if coder is None else coder.roles
    if chosen.eos is not None:
        eos = frozenset(chosen.eos)
    else:
        eos = frozenset({roles["eos"]} if "eos" in roles else ())
    decode = _silent if coder is None else coder.decode

    @torch.no_grad()
    def pieces() -> Iterator[Piece]:
        training = [module for module in model.modules() if module.training]
        model.eval()
        try:
            size = max(1, chosen.batch // (chosen.beams or chosen.samples))
            if chosen.beams is not None and chosen.compile:
                size = 1  # so that the number of rows stays
            for some in batches(asked, language.facts, size):
                if chosen.beams is not None:
                    yield from search(language, some, chosen, eos, decode)
                    continue
                for first in range(0, chosen.samples, chosen.batch):
                    numbers = range(first, min(first + chosen.batch, chosen.samples))
                    yield from sample(language, some, numbers, chosen, eos, decode)
        finally:
            for module in training:
                module.training = True

    return pieces()


def _silent(ids: Sequence[int]) -> str:
    return ""
