"""DeepNorm's gain of the stream: Wang et al. 2022, "DeepNet: Scaling Transformers to 1,000 Layers", arXiv:2203.00555.

Figure 2 of the paper counts layers; a recipe counts blocks, of which a layer of an encoder, or of a decoder alone, is
two, and one of a decoder that reads an encoder three.
"""

from __future__ import annotations


def alpha(blocks: int, readers: int = 0) -> float:
    """The gain in a stack of so many blocks; `readers` are those of the stack that reads it, 0 where none does.

    Encoder or decoder alone: (2 N)^(1/4), N = blocks / 2 layers; a decoder that reads: (3 M)^(1/4), M = blocks / 3.
    Both are blocks^(1/4). An encoder that is read: 0.81 (N^4 M)^(1/16), N = blocks / 2 and M = readers / 3.
    """
    if not readers:
        return float(blocks**0.25)
    return float(0.81 * ((blocks / 2) ** 4 * (readers / 3)) ** (1 / 16))
