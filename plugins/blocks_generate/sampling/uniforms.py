"""Uniform numbers of one text: a stream of its own, so that no other text changes what is drawn for it."""

import hashlib
from collections.abc import Iterator, Sequence

import torch

BLOCK = 64
"""Numbers that are drawn at once; another size would give other numbers."""


def uniforms(seed: int, prompt: Sequence[int], sample: int) -> Iterator[float]:
    """Numbers in [0, 1) without end, by seed, prompt and number of the sample alone; the same on every device."""
    name = f"{seed}:{sample}:{','.join(map(str, prompt))}"
    digest = hashlib.sha256(name.encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
    while True:
        yield from torch.rand(BLOCK, generator=generator, dtype=torch.float64).tolist()
