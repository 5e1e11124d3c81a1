"""Numbers as people write them: 8.10 B parameters, 15.6 GFLOP, 16.0 GiB, a context of 128k."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TypeAlias

from blocks.polynomial import Number

Writer: TypeAlias = Callable[[Number], str]
"""How a number of some unit is written."""

_COUNTS = ("", " K", " M", " B", " T")
_SI = ("", "k", "M", "G", "T", "P", "E")
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def _scaled(value: Number, base: int, last: int) -> tuple[str, int]:
    """Three significant digits or four, and the power of `base` that was taken out."""
    power, scaled = 0, Fraction(value)
    while scaled >= base and power < last:
        scaled /= base
        power += 1
    number = float(scaled)
    if power == 0 and scaled.denominator == 1:
        return str(scaled.numerator), 0
    text = f"{number:.2f}" if number < 9.995 else f"{number:.1f}"
    if float(text) >= base and power < last:  # 999.9 rounds to 1000
        return "1.00", power + 1
    return text, power


def count(value: Number) -> str:
    """A number of parameters: `8.10 B`."""
    text, power = _scaled(value, 1000, len(_COUNTS) - 1)
    return text + _COUNTS[power]


def number(count: int, noun: str) -> str:
    """So many things: `1 block`, `1,200 blocks`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def flops(value: Number) -> str:
    """A number of floating-point operations: `15.6 GFLOP`."""
    text, power = _scaled(value, 1000, len(_SI) - 1)
    return f"{text} {_SI[power]}FLOP"


def size(value: Number) -> str:
    """A number of bytes: `16.0 GiB`."""
    text, power = _scaled(value, 1024, len(_BINARY) - 1)
    return f"{text} {_BINARY[power]}"


def tokens(value: int) -> str:
    """A number of tokens: `131072`, `128k`; exact."""
    for factor, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if value % factor == 0:
            return f"{value // factor}{letter}"
    return str(value)


def percent(part: Number, whole: Number) -> str:
    """A share with one digit: `7.7%`."""
    return f"{float(Fraction(100 * part) / whole):.1f}%" if whole else "-"
