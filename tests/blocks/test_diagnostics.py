"""Errors: their drawing, their order, their suggestions, their catalogue."""

import json
import pickle
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from blocks.codes import CODES
from blocks.diagnostics import (
    MAX_PROBLEMS,
    BlocksError,
    BuildError,
    Diagnostic,
    Label,
    PluginError,
    Problems,
    RecipeError,
    Span,
    UsageError,
)
from blocks.render import render
from blocks.suggest import did_you_mean

ROOT = Path(__file__).resolve().parents[2]
HYBRID = """\
recipe: hybrid
  d_model: 512
blocks:
  mamba2: {mixer: mamba2}
  attention: {mixer: multi_head, n_heads: 12}
"""


def heads_problem() -> Diagnostic:
    return Diagnostic(
        "B0307",
        "12 heads do not divide d_model = 512",
        "recipes/hybrid.yaml",
        Span(5, 43, 45),
        "512 / 12 = 42.67",
        (Label(Span(2, 12, 15), "d_model is set here"),),
        "use 8 or 16 heads, or set head_dim",
    )


def drawn(line: str, span: Span, *, width: int | None = None, label: str = "") -> list[str]:
    """Draw one finding in a text of one line; return the source line and the underline."""
    text = render([Diagnostic("B0201", "message", "f", span, label)], {"f": line}, width=width)
    return text.split("\n")[2:]


def test_the_drawing_is_that_of_the_design() -> None:
    assert render([heads_problem()], {"recipes/hybrid.yaml": HYBRID}) == dedent(
        """\
        error[B0307]: 12 heads do not divide d_model = 512
          --> recipes/hybrid.yaml:5:43
        2 |   d_model: 512
          |            --- d_model is set here
        5 |   attention: {mixer: multi_head, n_heads: 12}
          |                                           ^^ 512 / 12 = 42.67
          = help: use 8 or 16 heads, or set head_dim"""
    )


def test_json_form() -> None:
    assert json.loads(json.dumps(heads_problem().as_json())) == {
        "code": "B0307",
        "message": "12 heads do not divide d_model = 512",
        "file": "recipes/hybrid.yaml",
        "line": 5,
        "column": 43,
        "help": "use 8 or 16 heads, or set head_dim",
    }
    assert Diagnostic("B0801", "no file").as_json() == {
        "code": "B0801", "message": "no file", "file": None, "line": None, "column": None, "help": None,
    }  # fmt: skip


def test_several_findings_stand_apart_and_the_gutter_fits_the_widest_number() -> None:
    text = "a: 1\n" * 100
    first = Diagnostic("B0201", "one", "f", Span(100, 1, 2), notes=(Label(Span(7, 4, 5), "seven"),))
    second = Diagnostic("B0202", "two", "f", help="first line\nsecond line")
    assert render([first, second], {"f": text}) == dedent(
        """\
        error[B0201]: one
            --> f:100:1
          7 | a: 1
            |    - seven
        100 | a: 1
            | ^

        error[B0202]: two
          --> f
          = help: first line
                  second line"""
    )


def test_two_spans_on_one_line_share_the_source_line() -> None:
    finding = Diagnostic("B0206", "both", "f", Span(1, 6, 7), "this", (Label(Span(1, 1, 2), "that"),))
    assert render([finding], {"f": "a: 1 b: 2"}).split("\n")[2:] == [
        "1 | a: 1 b: 2", "  |      ^ this", "  | - that",
    ]  # fmt: skip


def test_without_the_text_the_place_is_still_named() -> None:
    finding = Diagnostic("B0201", "message", "gone.yaml", Span(3, 4, 5))
    assert render([finding], {}) == "error[B0201]: message\n  --> gone.yaml:3:4"


@pytest.mark.parametrize("span", [Span(1, 99, 120), Span(99, 1, 2), Span(1, 5, 5), Span(1, 5, 2)])
def test_a_span_outside_the_text_is_drawn_all_the_same(span: Span) -> None:
    assert drawn("a: 1", span)[-1].endswith("^")


def test_tabs_wide_and_combining_characters_keep_the_caret_in_place() -> None:
    assert drawn("\ta: 1", Span(1, 5, 6)) == ["1 |     a: 1", "  |        ^"]
    assert drawn("日本: 1", Span(1, 5, 6)) == ["1 | 日本: 1", "  |       ^"]
    assert drawn("日本: 1", Span(1, 1, 3)) == ["1 | 日本: 1", "  | ^^^^"]
    assert drawn("e\u0301: 1", Span(1, 5, 6)) == ["1 | e\u0301: 1", "  |    ^"]


@pytest.mark.parametrize(
    ("char", "shown"),
    [
        ("\x1b", "\\x1b"), ("\x00", "\\x00"), ("\x9b", "\\x9b"), ("\u202e", "\\u202e"), ("\u2066", "\\u2066"),
        ("\u200b", "\\u200b"), ("\ud800", "\\ud800"), ("\U000e0001", "\\U000e0001"), ("\u2028", "\\u2028"),
    ],
)  # fmt: skip
def test_dangerous_characters_are_escaped_everywhere(char: str, shown: str) -> None:
    finding = Diagnostic(
        "B0201", f"m{char}", f"f{char}", Span(1, 2, 3), f"l{char}", (Label(Span(1, 1, 2), char),), f"h{char}"
    )
    text = render([finding], {f"f{char}": f"a{char}b"})
    assert char not in text
    assert text.count(shown) == 6
    assert f"1 | a{shown}b\n  |  {'^' * len(shown)} l{shown}" in text


def test_a_message_cannot_forge_another_line() -> None:
    assert render([Diagnostic("B0201", "a\nerror[B0000]: b")], {}).count("\n") == 0
    assert "\u0301" * 3 not in render([Diagnostic("B0201", "a" + "\u0301" * 50)], {})
    assert len(render([Diagnostic("B0201", "a" * 10**6)], {})) < 2000


def test_long_lines_are_clipped_around_the_caret() -> None:
    line = "a" * 5000 + "XYZ" + "b" * 5000
    source, under = drawn(line, Span(1, 5001, 5004), width=80, label="here")
    assert len(source) <= 80
    assert source.startswith("1 | ...a")
    assert source.endswith("b...")
    assert source[under.index("^") : under.rindex("^") + 1] == "XYZ"
    source, under = drawn(line, Span(1, 1, 2))
    assert len(source) <= 304
    assert source.startswith("1 | aaa")
    assert under == "  | ^"
    source, under = drawn("日" * 5000, Span(1, 4000, 4001), width=40)
    assert under.endswith("^^")


def test_color_adds_nothing_but_escapes() -> None:
    plain = render([heads_problem()], {"recipes/hybrid.yaml": HYBRID})
    colored = render([heads_problem()], {"recipes/hybrid.yaml": HYBRID}, color=True)
    assert colored != plain
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == plain


def test_problems_are_sorted_deduplicated_and_raised_together() -> None:
    problems = Problems("f", "a: 1\nb: 2\n")
    assert not problems
    problems.raise_if_any()
    problems.add("B0202", "second", at=Span(2, 1, 2))
    problems.add("B0201", "first", at=Span(1, 4, 5), label="x", notes=[Label(Span(1, 1, 2), "y")], help="z")
    problems.add("B0202", "second", at=Span(2, 1, 2))
    problems.add("B0204", "the whole file")
    assert problems
    assert len(problems) == 3
    with pytest.raises(RecipeError) as caught:
        problems.raise_if_any()
    assert [d.message for d in caught.value.diagnostics] == ["the whole file", "first", "second"]
    assert "1 | a: 1" in str(caught.value)
    with pytest.raises(BuildError):
        problems.raise_if_any(BuildError)


def test_problems_are_capped_with_a_count() -> None:
    problems = Problems("f")
    for line in range(MAX_PROBLEMS + 23):
        problems.add("B0201", "no", at=Span(line + 1, 1, 2))
    assert problems.full
    assert len(problems.diagnostics) == MAX_PROBLEMS + 1
    assert problems.diagnostics[-1].message == "23 more problems are not shown"


def test_exceptions_carry_their_exit_code_and_survive_pickling() -> None:
    assert {e: e.exit_code for e in (BlocksError, RecipeError, PluginError, BuildError, UsageError)} == {
        BlocksError: 1, RecipeError: 1, PluginError: 1, BuildError: 1, UsageError: 2,
    }  # fmt: skip
    error = RecipeError([heads_problem()], {"recipes/hybrid.yaml": HYBRID})
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is RecipeError
    assert str(again) == str(error)
    assert str(UsageError.of("B0805", "no", help="yes")) == "error[B0805]: no\n  = help: yes"


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("d_modle", "d_model"), ("dmodel", "d_model"), ("D-Model", "d_model"), ("n_head", "n_heads"),
        ("mamba_2", "mamba2"), ("mamba3", "mamba2"), ("vocab", None), ("", None), ("x", None), ("_", None),
        ("d" * 10**5, None), ("n_haeds", "n_heads"),
    ],
)  # fmt: skip
def test_did_you_mean(word: str, meant: str | None) -> None:
    assert did_you_mean(word, ["d_model", "n_heads", "mamba2", "vocab_size"]) == meant


def test_did_you_mean_never_suggests_the_word_itself() -> None:
    assert did_you_mean("depth", ["depth"]) is None
    assert did_you_mean("abc", []) is None


def test_every_code_is_explained() -> None:
    for code, entry in CODES.items():
        assert re.fullmatch(r"B0[1-9]\d\d", code)
        assert entry.title
        assert code == "B0100" or (
            "\n\nWrong:\n    " in entry.explanation and "\n\nRight:\n" in entry.explanation
        )
    assert list(CODES) == sorted(CODES)


def test_the_catalogue_holds_the_codes_of_the_source() -> None:
    used = {
        code
        for folder in ("blocks", "compiler", "plugins")
        for path in (ROOT / folder).rglob("*.py")
        if path.name != "codes.py"
        for code in re.findall(r"\"(B0\d{3})\"", path.read_text(encoding="utf-8"))
    }
    assert used == set(CODES)


def test_the_text_layer_is_light() -> None:
    program = (
        "import blocks.diagnostics, blocks.codes, blocks.expressions, blocks.reader, sys; "
        "assert not {'torch', 'pydantic', 'networkx'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
