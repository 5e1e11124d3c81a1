"""Did you mean …? The known word nearest to an unknown one."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import islice

MAX_LENGTH = 256
"""Characters of a word that is compared at all."""


def did_you_mean(word: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that was probably meant; case, hyphens and underscores do not count.

    The distance is that of Damerau (1964) with adjacent swaps, bounded by a third of the word's length. Where none
    is near, the only one that begins the word, or that the word begins: `pre` for prenorm.
    """
    if len(word) > MAX_LENGTH:
        return None
    candidates = [known for known in islice(candidates, 1000) if len(known) <= MAX_LENGTH]
    wanted = _fold(word)
    if not wanted or len(wanted) > 64:
        return None
    best: tuple[int, str] | None = None
    for candidate in candidates:
        if candidate == word:
            continue
        limit = max(1, len(wanted) // 3) if best is None else best[0] - 1
        if limit < 0:
            break
        distance = _distance(wanted, _fold(candidate), min(limit, 3))
        if distance is not None:
            best = (distance, candidate)
    return best[1] if best else _begun(wanted, candidates)


def _begun(wanted: str, candidates: Iterable[str]) -> str | None:
    """The only candidate that shares its beginning, of three letters or more, with the whole of the other word."""
    if len(wanted) < 3:
        return None
    pairs = [(candidate, _fold(candidate)) for candidate in candidates if _fold(candidate) != wanted]
    found = [
        candidate
        for candidate, known in pairs
        if len(known) >= 3 and (known.startswith(wanted) or wanted.startswith(known))
    ]
    return found[0] if len(found) == 1 else None


@lru_cache(4096)
@lru_cache(maxsize=4096)
def _fold(word: str) -> str:
    return word.casefold().replace("-", "").replace("_", "").replace(" ", "")


def _distance(a: str, b: str, limit: int) -> int | None:
    """Count insertions, deletions, changes and adjacent swaps from a to b; None above the limit."""
    if abs(len(a) - len(b)) > limit:
        return None
    if len(a) == 1 or len(b) == 1:
        limit = 0 if len(a) == len(b) else limit
    far = limit + 1
    before: list[int] = []
    row = [min(j, far) for j in range(len(b) + 1)]
    for i in range(1, len(a) + 1):
        new = [far] * (len(b) + 1)
        new[0] = min(i, far)
        for j in range(max(1, i - limit), min(len(b), i + limit) + 1):
            cost = min(row[j] + 1, new[j - 1] + 1, row[j - 1] + (a[i - 1] != b[j - 1]))
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                cost = min(cost, before[j - 2] + 1)
            new[j] = min(cost, far)
        if min(new) > limit:
            return None
        before, row = row, new
    return row[-1] if row[-1] <= limit else None
