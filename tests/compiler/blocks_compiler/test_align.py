"""Sequences side by side: the least cost, found again by trying every alignment."""

from functools import cache
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from blocks_compiler.align import GAP, LIMIT, align

WORDS = st.lists(st.sampled_from("aAbB"), max_size=9)


def price(first: str, second: str) -> int:
    """A change of case is cheap, another letter nearly two gaps."""
    return GAP - 1 if first.lower() == second.lower() else 2 * GAP - 1


def cost(first: list[str], second: list[str]) -> int:
    total = 0
    for i, j in align(first, second, price):
        if i is None or j is None:
            total += GAP
        elif first[i] != second[j]:
            total += price(first[i], second[j])
    return total


def least(first: tuple[str, ...], second: tuple[str, ...]) -> int:
    @cache
    def rest(i: int, j: int) -> int:
        if i == len(first) or j == len(second):
            return GAP * (len(first) - i + len(second) - j)
        both = 0 if first[i] == second[j] else price(first[i], second[j])
        return min(both + rest(i + 1, j + 1), GAP + rest(i + 1, j), GAP + rest(i, j + 1))

    return rest(0, 0)


@given(WORDS, WORDS)
def test_everything_once_in_order_at_the_least_cost(first: list[str], second: list[str]) -> None:
    pairs = align(first, second, price)
    assert [i for i, _ in pairs if i is not None] == list(range(len(first)))
    assert [j for _, j in pairs if j is not None] == list(range(len(second)))
    assert cost(first, second) == least(tuple(first), tuple(second))


def test_one_put_in_is_one_put_in() -> None:
    assert [pair for pair in align("ababab", "abaBabab", price) if None in pair] == [(None, 3), (None, 4)]
    assert align("aa", "aaa", price)[-1] == (None, 2)


def test_very_long_sequences_are_paired_from_the_front() -> None:
    size = int(LIMIT**0.5) + 1
    pairs = align("a" * size, "b" * (size + 2), price)
    assert all(i == j for i, j in pairs[:size])
    assert pairs[size:] == [(None, size), (None, size + 1)]
    assert all(second[1] == first[1] + 1 for first, second in pairwise(pairs))
