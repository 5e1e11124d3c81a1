"""The numbers that divide another one."""

import pytest

from blocks.divisors import LIMIT, divisors


@pytest.mark.parametrize("number", [1, 2, 3, 4, 16, 36, 97, 720, 768, 999, 1000, 1024])
def test_all_of_them(number):
    assert divisors(number) == [n for n in range(1, number + 1) if number % n == 0]


def test_all_of_a_million():
    assert divisors(LIMIT**2) == [n for n in range(1, LIMIT**2 + 1) if LIMIT**2 % n == 0]


@pytest.mark.parametrize("number", [10**18, 10**30 - 1, 2**127 - 1])
def test_some_of_a_large_one(number):
    found = divisors(number)
    assert (found[0], found[-1]) == (1, number)
    assert all(number % n == 0 for n in found)
