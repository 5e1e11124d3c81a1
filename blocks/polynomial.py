"""Small exact polynomials over named sizes: the arithmetic of shapes and costs.

A term is a rational coefficient times powers of atoms; an atom is a symbol (`T`) or a symbol cut off at a
bound (`min(T, 4096)`, what a window costs). That is all that shapes and costs of blocks need, so no computer
algebra system is involved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias, Union

Number: TypeAlias = Union[int, Fraction]  # noqa: UP007 - a runtime alias


@dataclass(frozen=True, slots=True, order=True)
class Atom:
    """A symbol, or the minimum of a symbol and a bound."""

    name: str
    bound: int = 0  # 0: unbounded

    def __str__(self) -> str:
        return f"min({self.name}, {self.bound})" if self.bound else self.name


Monomial: TypeAlias = tuple[tuple[Atom, int], ...]  # atoms with their powers, sorted


@dataclass(frozen=True, slots=True)
class Polynomial:
    """An exact polynomial; immutable, hashable, closed under + - * and division by numbers."""

    terms: tuple[tuple[Monomial, Number], ...] = ()

    @staticmethod
    def of(value: Polynomial | Number) -> Polynomial:
        """The polynomial that stands for a number, or the polynomial itself."""
        if isinstance(value, Polynomial):
            return value
        return Polynomial((((), value),)) if value else Polynomial()

    @staticmethod
    def symbol(name: str) -> Polynomial:
        return Polynomial(((((Atom(name), 1),), 1),))

    @staticmethod
    def _collect(terms: dict[Monomial, Number]) -> Polynomial:
        return Polynomial(tuple(sorted((m, c) for m, c in terms.items() if c)))

    def __add__(self, other: Polynomial | Number) -> Polynomial:
        terms: dict[Monomial, Number] = dict(self.terms)
        for monomial, coefficient in Polynomial.of(other).terms:
            terms[monomial] = terms.get(monomial, 0) + coefficient
        return self._collect(terms)

    __radd__ = __add__

    def __mul__(self, other: Polynomial | Number) -> Polynomial:
        terms: dict[Monomial, Number] = {}
        for left, a in self.terms:
            for right, b in Polynomial.of(other).terms:
                powers = dict(left)
                for atom, power in right:
                    powers[atom] = powers.get(atom, 0) + power
                monomial = tuple(sorted(powers.items()))
                terms[monomial] = terms.get(monomial, 0) + a * b
        return self._collect(terms)

    __rmul__ = __mul__

    def __neg__(self) -> Polynomial:
        return self * -1

    def __sub__(self, other: Polynomial | Number) -> Polynomial:
        return self + -Polynomial.of(other)

    def __rsub__(self, other: Number) -> Polynomial:
        return -self + other

    def __truediv__(self, divisor: Number) -> Polynomial:
        return self * Fraction(1, divisor)

    def evaluate(self, values: Mapping[str, int]) -> Polynomial:
        """Put numbers in the place of symbols; symbols without a value stay."""
        result = Polynomial()
        for monomial, coefficient in self.terms:
            term = Polynomial.of(coefficient)
            for atom, power in monomial:
                value = values.get(atom.name)
                if value is None:
                    factor = Polynomial((((((atom, 1)),), 1),))
                else:
                    factor = Polynomial.of(min(value, atom.bound) if atom.bound else value)
                for _ in range(power):
                    term = term * factor
            result = result + term
        return result

    def number(self, **values: int) -> Number:
        """The value with every symbol given: `(4 * T * D).number(T=8, D=2) == 64`.

        Raises ValueError when a symbol has no value.
        """
        result = self.evaluate(values)
        if not result.terms:
            return 0
        if result.symbols:
            raise ValueError(f"no value for {', '.join(sorted(result.symbols))} in {self}")
        coefficient = Fraction(result.terms[0][1])
        return coefficient.numerator if coefficient.denominator == 1 else coefficient

    @property
    def symbols(self) -> frozenset[str]:
        return frozenset(atom.name for monomial, _ in self.terms for atom, _ in monomial)

    def __str__(self) -> str:
        if not self.terms:
            return "0"
        parts = []
        for monomial, coefficient in reversed(self.terms):
            factors = [str(atom) + (f"^{power}" if power > 1 else "") for atom, power in monomial]
            if coefficient != 1 or not factors:
                factors.insert(0, str(coefficient))
            parts.append("*".join(factors))
        return " + ".join(parts).replace("+ -", "- ")

    __repr__ = __str__


def minimum(symbol: Polynomial, bound: int) -> Polynomial:
    """`min(symbol, bound)` as an atom: a window of `bound` tokens never holds more than `bound`."""
    ((((atom, power),), coefficient),) = symbol.terms
    if power != 1 or coefficient != 1 or atom.bound:
        raise ValueError(f"minimum() takes a plain symbol, not {symbol}")
    return Polynomial(((((Atom(atom.name, bound), 1),), 1),))


B = Polynomial.symbol("B")  # batch
T = Polynomial.symbol("T")  # tokens of context
D = Polynomial.symbol("D")  # d_model
S = Polynomial.symbol("S")  # tokens of the memory that a block reads
