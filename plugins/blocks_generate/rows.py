"""Texts as rows of a batch: reading them, going on by a token, what they have said. Shapes: B texts, V vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from blocks_generate.language_model import LanguageModel
from blocks_generate.options import Options
from blocks_generate.texts import Text


def read(language: LanguageModel, texts: Sequence[Text], options: Options) -> tuple[Tensor, Any]:
    """Logits [B, V] after texts that are not read yet, and the state; a text longer than positions is read in part."""
    _slide(language, texts)
    sources = [text.prompt.source for text in texts] if language.facts.translates else []
    return language.read([text.context for text in texts], sources, options.chunk)


def go_on(language: LanguageModel, texts: Sequence[Text], state: Any, options: Options) -> tuple[Tensor, Any]:
    """The same after the last token of each, where the state stands for those before it."""
    if _slide(language, texts):
        return read(language, texts, options)
    tokens = torch.tensor([text.written[-1] for text in texts], device=language.device)
    return language.step(tokens, state)


def _slide(language: LanguageModel, texts: Sequence[Text]) -> bool:
    """Have texts forget their oldest tokens where positions run out; whether any did."""
    reach = language.facts.target
    if reach is None:
        return False
    slid = [text.slide(reach) for text in texts]
    return any(slid)


def seen_tokens(texts: Sequence[Text], logits: Tensor) -> Tensor:
    """Return bool [B, V], true at the ids of each text, its prompt among them."""
    seen = torch.zeros_like(logits, dtype=torch.bool)
    for row, text in enumerate(texts):
        ids = {*text.prompt.ids, *text.written}
        seen[row, torch.tensor(sorted(ids), device=logits.device)] = True
    return seen
