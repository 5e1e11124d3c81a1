"""Numbers as people write them, at the edges where a unit changes."""

from fractions import Fraction

import pytest

from blocks_compiler import units


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (1, "1"), (999, "999"), (1000, "1.00 K"), (9994, "9.99 K"), (9995, "10.0 K"),
        (99_949, "99.9 K"), (999_949, "999.9 K"), (999_950, "1.00 M"), (8_100_852_736, "8.10 B"),
        (10**15, "1000.0 T"), (10**18, "1000000.0 T"), (Fraction(5, 2), "2.50"),
    ],
)  # fmt: skip
def test_count(value: int | Fraction, text: str) -> None:
    assert units.count(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 FLOP"),
        (999, "999 FLOP"),
        (1000, "1.00 kFLOP"),
        (15_600_000_000, "15.6 GFLOP"),
        (Fraction(1, 3), "0.33 FLOP"),
    ],
)
def test_flops(value: int | Fraction, text: str) -> None:
    assert units.flops(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.00 KiB"), (1024**2 - 1, "1.00 MiB"), (16 * 1024**3, "16.0 GiB")],
)
def test_size(value: int, text: str) -> None:
    assert units.size(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (4096, "4096"),
        (131_072, "131072"),
        (128_000, "128k"),
        (10**6, "1M"),
        (1_500_000, "1500k"),
        (2 * 10**9, "2G"),
    ],
)
def test_tokens_are_exact(value: int, text: str) -> None:
    assert units.tokens(value) == text


def test_percent() -> None:
    assert units.percent(4, 52) == "7.7%"
    assert units.percent(0, 3) == "0.0%"
    assert units.percent(Fraction(1, 2), 1) == "50.0%"
    assert units.percent(3, 0) == "-"


def test_number_of_things() -> None:
    assert [units.number(n, "block") for n in (0, 1, 2, 1200)] == [
        "0 blocks",
        "1 block",
        "2 blocks",
        "1,200 blocks",
    ]
