"""The drawing of errors: places, gutters, clipping, and characters that could forge it."""

import re
from textwrap import dedent

import pytest

from blocks.diagnostics import Diagnostic, Label, Problems, Span
from blocks.render import render

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


def test_a_note_in_another_file_has_its_own_place() -> None:
    problems = Problems("child.yaml", "a: 1\nb: 2", {"base.yaml": "c: 3"})
    there = Span(1, 4, 5, "base.yaml")
    problems.add("B0307", "they differ", at=Span(2, 4, 5), label="two", notes=[Label(there, "three")])
    problems.add("B0307", "seen from there", at=there, notes=[Label(Span(1, 4, 5), "one")])
    assert render(problems.diagnostics, problems.sources).split("\n\n") == [
        "error[B0307]: they differ\n"
        "  --> child.yaml:2:4\n"
        "2 | b: 2\n"
        "  |    ^ two\n"
        "  ::: base.yaml:1:4\n"
        "1 | c: 3\n"
        "  |    - three",
        "error[B0307]: seen from there\n"
        "  --> base.yaml:1:4\n"
        "1 | c: 3\n"
        "  |    ^\n"
        "  ::: child.yaml:1:4\n"
        "1 | a: 1\n"
        "  |    - one",
    ]
    assert [d.as_json()["file"] for d in problems.diagnostics] == ["child.yaml", "base.yaml"]
