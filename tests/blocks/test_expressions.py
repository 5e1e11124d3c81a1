"""Sizes as expressions: exact arithmetic, units, bounds, and what is refused."""

import math
import time
from collections.abc import Mapping
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blocks.expressions import ExpressionError, evaluate, names_in, resolve, share

NAMES: Mapping[str, int | float] = {"d_model": 512, "n_heads": 8, "ratio": 0.1, "big": 10**18}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4 * d_model", 2048), ("  4*d_model\n", 2048), ("d_model / n_heads", 64), ("010", 10),
        ("32_000", 32000),
        ("32k", 32000), ("32K", 32000), ("1.5B", 1_500_000_000), ("2M", 2_000_000), ("1T", 10**12),
        ("4Ki", 4096), ("1Mi", 2**20), ("1Gi", 2**30), ("1e3", 1000), (".5 * 4", 2), ("2.", 2),
        ("1.5 * d_model", 768),
        ("-3 + 5", 2), ("--3", 3), ("7 // 2", 3), ("-7 // 2", -4), ("-3 % 5", 2), ("2 ** 3 ** 2", 512),
        ("-2 ** 2", -4),
        ("2 * (3 + 4)", 14), ("8 / 3 * 3", 8), ("min(3, 1, 2)", 1), ("max(1, d_model // 64)", 8),
        ("round(5 / 2)", 2),
        ("round_up(8 * d_model / 3, 256)", 1536), ("round_up(512, 256)", 512), ("0.1 + 0.2 - 0.3", 0),
        ("sqrt(d_model / 2)", 16), ("sqrt(9 / 4) * 2", 3), ("sqrt(0)", 0),
        ("ratio * 10", 1), ("2 ** -1 * 2", 1), ("10 ** 18", 10**18),
    ],
)  # fmt: skip
def test_values(text: str, value: int) -> None:
    result = evaluate(text, NAMES)
    assert result == value
    assert type(result) is int


def test_a_decimal_may_stay_a_decimal() -> None:
    assert evaluate("1.3 * d_model", NAMES) == 665.6
    assert evaluate("1e-5", {}) == 1e-5
    assert evaluate("ratio", NAMES) == 0.1
    assert evaluate("1 / 3", {}, fractions=True) == 1 / 3
    assert evaluate("sqrt(d_model)", NAMES) == math.sqrt(512)
    assert evaluate("1 / sqrt(d_model / 2)", NAMES) == 1 / 16


@pytest.mark.parametrize(
    ("text", "code", "place", "words", "help"),
    [
        ("512 / 12", "B0303", "512 / 12", "42.6667", "42 and 43"),
        ("2 * (d_model / 3)", "B0303", "d_model / 3", "not a whole number", "round_up"),
        ("d_modle * 4", "B0315", "d_modle", "unknown name", "did you mean d_model?"),
        ("zzz", "B0315", "zzz", "unknown name", "known names are big, d_model"),
        ("4 d_model", "B0301", "d_model", "operator is missing", "4 * d_model"),
        ("(1)(2)", "B0301", "1", "operator is missing", None),
        ("4 *", "B0301", "*", "missing after *", None),
        ("* 4", "B0301", "*", "missing before *", None),
        ("8%", "B0301", "%", "missing after %", "share"),
        ("(4", "B0301", "(", "never closed", None),
        ("4)", "B0301", ")", "never opened", None),
        ("", "B0301", "", "empty", None),
        ("()", "B0301", "()", "not part", None),
        ("4 ^ 2", "B0301", "^", "not part", "**"),
        ("4 × 2", "B0301", "×", "not part", "written *"),
        ("d_model.real", "B0301", ".", "not part", None),
        ("d_model[0]", "B0301", "[", "not part", "( and )"),
        ("'a'", "B0301", "'", "not part", None),
        ("1 < 2", "B0301", "<", "not part", None),
        ("1, 2", "B0301", "1, 2", "not part", None),
        ("32q", "B0301", "q", "not a unit", "Ki"),
        ("0x10", "B0301", "x10", "not a unit", None),
        ("1__0", "B0301", "1__0", "not a number", None),
        ("eval(1)", "B0301", "eval", "not a function", "functions are"),
        ("rnd_up(1, 2)", "B0301", "rnd_up", "not a function", "round_up"),
        ("round_up", "B0301", "round_up", "is a function", "round_up(8"),
        ("round_up(1)", "B0301", "round_up(1)", "is called as", None),
        ("round_up(1, 0)", "B0301", "0", "above 0", None),
        ("sqrt(-1)", "B0301", "-1", "no square root", None),
        ("sqrt(1, 2)", "B0301", "sqrt(1, 2)", "is called as", None),
        ("max()", "B0301", "max()", "is called as", None),
        ("1 / (d_model - 512)", "B0301", "d_model - 512", "division by zero", None),
        ("1 // 0", "B0301", "0", "division by zero", None),
        ("1 % 0", "B0301", "0", "division by zero", None),
        ("0 ** -1", "B0301", "0 ** -1", "division by zero", None),
        ("2 ** 0.5", "B0301", "0.5", "exponent", None),
        ("2 ** 65", "B0301", "65", "exponent", None),
        ("10 ** 19", "B0304", "10 ** 19", "too large", None),
        ("big * 2", "B0304", "big * 2", "too large", None),
        ("9" * 50, "B0304", "9" * 50, "too long", None),
        ("1e999999999", "B0304", "1e999999999", "too long", None),
    ],
)  # fmt: skip
def test_errors_name_their_place(text: str, code: str, place: str, words: str, help: str | None) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(text, NAMES)
    error = caught.value
    assert error.code == code
    assert words in error.message
    if place:
        assert text[error.start : error.end] == place
    if help:
        assert help in (error.help or "")


@pytest.mark.parametrize("value", [True, math.nan, math.inf, "512"])
def test_names_have_to_be_finite_numbers(value: object) -> None:
    with pytest.raises(ExpressionError, match="not a number"):
        evaluate("x", {"x": value})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    "text",
    [
        "(" * 10_000, "(" * 400 + "1" + ")" * 400, "-" * 900 + "1", "2**" * 300 + "2", "1+" * 450 + "1",
        "2**64" + "**64" * 40, "min(" * 200, "9" * 10**6, "round_up(1, 1e-40)*1e-40" + "*1e-40" * 60,
        "((1)" * 300,
        "(2/3)**64" + "**64" * 20,
    ],
)  # fmt: skip
def test_hostile_expressions_are_refused_at_once(text: str) -> None:
    start = time.perf_counter()
    with pytest.raises(ExpressionError):
        evaluate(text, {})
    assert time.perf_counter() - start < 0.5


def test_names_in() -> None:
    assert names_in("round_up(4 * d_model, min(a_1, 32k))") == {"d_model", "a_1"}
    assert names_in("12") == set()
    with pytest.raises(ExpressionError):
        names_in("4 *")


@pytest.mark.parametrize(
    ("text", "value"), [("8%", Fraction(8, 100)), ("12.5 %", Fraction(1, 8)), ("0%", 0), (" 100% ", 1)]
)
def test_share(text: str, value: Fraction) -> None:
    assert share(text) == value


@pytest.mark.parametrize(
    ("text", "code"),
    [("8", "B0308"), ("%", "B0308"), ("8%%", "B0308"), ("٨%", "B0308"), ("1" * 100 + "%", "B0308"),
     ("101%", "B0309"), ("-1%", "B0309")],
)  # fmt: skip
def test_not_a_share(text: str, code: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        share(text)
    assert caught.value.code == code


def test_resolve_in_any_order() -> None:
    assert resolve({"d_ff": "4 * d_model", "d_model": "n_heads * 64", "n_heads": 8, "eps": 1e-5}) == {
        "d_ff": 2048, "d_model": 512, "n_heads": 8, "eps": 1e-5,
    }  # fmt: skip
    assert list(resolve({"b": "a", "a": 1})) == ["b", "a"]


def test_resolve_refuses_a_circle() -> None:
    with pytest.raises(ExpressionError, match="a depends on itself: a -> b -> c -> a") as caught:
        resolve({"a": "2 * b", "b": "c + 1", "c": "3 * a"})
    assert caught.value.code == "B0305"
    assert caught.value.name == "c"
    assert (caught.value.start, caught.value.end) == (4, 5)


def test_resolve_collects_each_cause_once() -> None:
    problems: list[ExpressionError] = []
    values = resolve(
        {
            "a": "b",
            "b": "a",
            "uses_a": "a + 1",
            "wrong": "4 *",
            "uses_wrong": "wrong",
            "odd": "zzz",
            "fine": "2k",
        },
        problems=problems,
    )
    assert values == {"fine": 2000}
    assert {error.name: error.code for error in problems} == {"b": "B0305", "wrong": "B0301", "odd": "B0315"}


def test_resolve_is_linear_and_does_not_recurse() -> None:
    count = 5000
    chain: dict[str, int | float | str] = {f"n{i}": f"n{i + 1} + 1" for i in range(count)}
    assert resolve(chain | {f"n{count}": 0})["n0"] == count
    problems: list[ExpressionError] = []
    start = time.perf_counter()
    assert resolve(chain | {f"n{count}": "n0"}, problems=problems) == {}
    assert resolve({f"n{i}": f"n{i} + n{i + 1} + zz" for i in range(count)}, problems=problems) == {}
    assert time.perf_counter() - start < 5
    assert len(problems) <= 101


@given(
    st.one_of(st.text(max_size=60), st.text(alphabet="0123456789.eE_kMB+-*/%()^, adxminroup\n", max_size=60))
)
@example("\n1")
@example(" \t(1)")
def test_any_text_gives_a_finite_number_or_an_error_in_range(text: str) -> None:
    refusal: ExpressionError | None = None
    try:
        assert math.isfinite(evaluate(text, {"d": 512, "x": 0.1}))
    except ExpressionError as error:
        refusal = error
    if refusal is not None:
        assert 0 <= refusal.start <= refusal.end <= len(text) + 1
        assert refusal.message


@given(
    st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9), st.sampled_from(["+", "-", "*", "//", "%"])
)
def test_arithmetic_agrees_with_python(a: int, b: int, sign: str) -> None:
    if b == 0 and sign in ("//", "%"):
        return
    expected = {"+": a + b, "-": a - b, "*": a * b}.get(sign)
    if expected is None:
        expected = a // b if sign == "//" else a % b
    assert evaluate(f"a {sign} b", {"a": a, "b": b}) == expected
