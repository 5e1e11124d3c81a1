"""What a masked language model is asked: some tokens of each row, most of them hidden. Devlin et al. 2019.

What is chosen is a pure function of the seed, the number of a row in training and the place of a token in it, so that a
run goes on from the number of its step, on any number of ranks. Letters: B rows, T tokens.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

IGNORED = -100
_GOLDEN, _A, _B = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_CHOICE, _CHANGE, _TOKEN = range(3)  # what a number is drawn for

Int64 = NDArray[np.int64]


@dataclass(frozen=True)
class Masking:
    """How tokens are hidden: `mask` is the id that stands for what is hidden, `ids` how many ids there are.

    Of each row round(share * n) of its n tokens are asked, but one at least; specials are left alone. Of those asked,
    a share `hidden` is replaced by the mask, a share `replaced` by an id drawn evenly, and the others stay.
    """

    share: float
    hidden: float
    replaced: float
    mask: int
    ids: int
    specials: frozenset[int]

    def apply(
        self, tokens: Int64, real: NDArray[np.bool_], rows: Sequence[int], seed: int
    ) -> tuple[Int64, Int64]:
        """Tokens [B, T] with some hidden, and targets [B, T], -100 where nothing is asked; `rows` are their numbers."""
        inputs, targets = tokens.copy(), np.full(tokens.shape, IGNORED, np.int64)
        open_to_choice = real & ~np.isin(tokens, list(self.specials))
        draws = [uniform(seed, rows, tokens.shape[1], what) for what in (_CHOICE, _CHANGE, _TOKEN)]
        for row, candidates in enumerate(map(np.flatnonzero, open_to_choice)):
            if not len(candidates):
                continue
            asked = max(1, round(self.share * len(candidates)))
            order = np.argsort(draws[0][row, candidates], kind="stable")
            places = candidates[order[:asked]]
            targets[row, places] = tokens[row, places]
            change = draws[1][row, places]
            inputs[row, places[change < self.hidden]] = self.mask
            drawn = places[(self.hidden <= change) & (change < self.hidden + self.replaced)]
            inputs[row, drawn] = (draws[2][row, drawn] * self.ids).astype(np.int64)
        return inputs, targets


def uniform(seed: int, rows: Sequence[int], length: int, what: int) -> NDArray[np.float64]:
    """Numbers in [0, 1) for each place of each row, by SplitMix64 (Steele et al. 2014, figure 17)."""
    state = np.array([seed & (1 << 64) - 1], np.uint64)
    places = np.arange(length, dtype=np.uint64)[None]
    for number in (np.uint64(what), np.asarray(rows, np.uint64)[:, None], places):
        state = _mixed(state ^ number)
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mixed(state: NDArray[Any]) -> NDArray[np.uint64]:
    state = state + np.uint64(_GOLDEN)
    state = (state ^ state >> np.uint64(30)) * np.uint64(_A)
    state = (state ^ state >> np.uint64(27)) * np.uint64(_B)
    mixed: NDArray[np.uint64] = state ^ state >> np.uint64(31)
    return mixed


def specials(roles: Collection[int], unknown: int | None) -> frozenset[int]:
    """Ids that are never asked: those with a role, but that of the unknown, which stands for words."""
    return frozenset(roles) - {unknown}
