"""Polynomials: a commutative ring with exact numbers, and the minimum that a window needs."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.polynomial import B, D, Polynomial, T, minimum

atoms = st.sampled_from([B, T, D, minimum(T, 7), Polynomial.of(1), Polynomial.of(Fraction(2, 3))])
polynomials = st.recursive(
    atoms,
    lambda inner: st.tuples(inner, inner, st.booleans()).map(lambda t: t[0] + t[1] if t[2] else t[0] * t[1]),
    max_leaves=5,
)
values = st.fixed_dictionaries({name: st.integers(0, 30) for name in "BTD"})


@given(polynomials, polynomials, polynomials, values)
def test_ring(a: Polynomial, b: Polynomial, c: Polynomial, at: dict[str, int]) -> None:
    assert a + b == b + a
    assert a * b == b * a
    assert a * (b + c) == a * b + a * c
    assert a - a == Polynomial()
    assert (a * b + c).number(**at) == a.number(**at) * b.number(**at) + c.number(**at)


def test_numbers_are_exact() -> None:
    assert (D * D / 3).number(D=3) == 3
    assert (D / 3).number(D=1) == Fraction(1, 3)
    assert (10**30 * T).number(T=1) == 10**30


def test_a_window_cuts_off() -> None:
    seen = minimum(T, 4096)
    assert [seen.number(T=t) for t in (0, 4095, 4096, 10**9)] == [0, 4095, 4096, 4096]
    with pytest.raises(ValueError, match="plain symbol"):
        minimum(2 * T, 8)


def test_words() -> None:
    assert str(4 * D * T * T + 2) == "4*D*T^2 + 2"
    assert str(Polynomial()) == "0"
    assert (T + D).symbols == {"T", "D"}


def test_a_missing_symbol_is_named() -> None:
    with pytest.raises(ValueError, match="no value for T"):
        (T * D).number(D=2)
