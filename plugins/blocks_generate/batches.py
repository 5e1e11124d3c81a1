"""Which texts are computed together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from blocks_generate.facts import Facts
from blocks_generate.texts import Prompt


def batches(prompts: Sequence[Prompt], facts: Facts, size: int) -> Iterator[list[Prompt]]:
    """Lists of at most `size` prompts, in order; where the model knows no padding, of equal lengths in each.

    Equal lengths stand together even where order would be another.
    """
    if facts.padded:
        for start in range(0, len(prompts), size):
            yield list(prompts[start : start + size])
        return

    def lengths(prompt: Prompt) -> tuple[int, int]:
        return len(prompt.ids), len(prompt.source)

    for _, equal in groupby(sorted(prompts, key=lengths), lengths):
        found = list(equal)
        for start in range(0, len(found), size):
            yield found[start : start + size]
