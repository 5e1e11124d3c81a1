"""Building values: the core schema of YAML 1.2, and what the language does not have."""

from collections.abc import Callable

import pytest

from blocks.builder import MAX_DEPTH, MAX_NODES
from blocks.diagnostics import Span
from blocks.reader import read

Only = Callable[[str | bytes], tuple[str, str, Span | None]]


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("no", "no"), ("on", "on"), ("yes", "yes"), ("off", "off"), ("y", "y"), ("true", True),
        ("True", True),
        ("TRUE", True), ("tRUE", "tRUE"), ("false", False), ("null", None), ("Null", None),
        ("NULL", None), ("~", None),
        ("", None), ("010", 10), ("0o17", 15), ("0x1F", 31), ("-12", -12), ("+12", 12), ("1e-5", 1e-5),
        ("1E3", 1e3),
        ("1.", 1.0), (".5", 0.5), ("-.5e1", -5.0), ("1_000", "1_000"), ("12:30", "12:30"), ("8%", "8%"),
        ("32k", "32k"),
        ("2001-01-01", "2001-01-01"), ("0b1", "0b1"), ("-0o7", "-0o7"), (".", "."), ("-", [None]), ("=", "="),
        ("'12'", "12"), ('"no"', "no"), ("'~'", "~"), ('"\\u00e9"', "é"), ("4 * d_model", "4 * d_model"),
        ("1e400x", "1e400x"), ("٣", "٣"), ("{}", {}), ("[]", []), ("|\n  a\n  b", "a\nb"),
        (">\n  a\n  b", "a b"),
    ],
)  # fmt: skip
def test_core_schema(scalar: str, value: object) -> None:
    found = read(f"k: {scalar}" if scalar != "-" else "k:\n-").value
    assert found == {"k": value}
    assert isinstance(found, dict)
    assert type(found["k"]) is type(value)


@pytest.mark.parametrize(
    ("text", "code", "words", "place"),
    [
        ("a: &x 1", "B0105", "the anchor &x", (1, 4)),
        ("a: *x", "B0105", "the alias *x", (1, 4)),
        ("a: !!python/object:os.system x", "B0105", "the tag !!python/object:os.system", (1, 4)),
        ("a: ! x", "B0105", "the tag !", (1, 4)),
        ("<<: {a: 1}", "B0105", "the merge key <<", (1, 1)),
        ("%TAG ! tag:x,2000:\n---\na: 1", "B0105", "%TAG", (1, 1)),
        ("a: 1\nb: 2\na: 3", "B0106", "the key a is given twice", (3, 1)),
        ("1: a", "B0107", "not 1", (1, 1)),
        ("true: a", "B0107", "not true", (1, 1)),
        ("?\n: a", "B0107", "an empty key", (1, 2)),
        ("? [a]\n: b", "B0107", "a list", (1, 3)),
        ("a: 1\n---\nb: 2", "B0108", "second one starts", (2, 1)),
        ("%YAML 1.1\n---\na: 1", "B0108", "not 1.1", (1, 1)),
        ("a: .nan", "B0110", "not a finite number", (1, 4)),
        ("a: -.INF", "B0110", "not a finite number", (1, 4)),
        ("a: 1e999", "B0110", "too large", (1, 4)),
        ("a: " + "9" * 50, "B0110", "30 digits", (1, 4)),
    ],
)  # fmt: skip
def test_refused(text: str, code: str, words: str, place: tuple[int, int], only: Only) -> None:
    found, message, span = only(text)
    assert found == code
    assert words in message
    assert span is not None
    assert (span.line, span.column) == place


def test_yaml_1_2_may_say_so() -> None:
    assert read("%YAML 1.2\n---\na: 1\n...\n").value == {"a": 1}
    assert read('"<<": 1').value == {"<<": 1}


def test_the_bounds_themselves_are_allowed(only: Only) -> None:
    assert read("[" * MAX_DEPTH + "]" * MAX_DEPTH).value
    assert only("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))[0] == "B0109"
    assert len(read("- 1\n" * (MAX_NODES - 1)).value) == MAX_NODES - 1  # type: ignore[arg-type]
    assert only("- 1\n" * MAX_NODES)[0] == "B0109"
