"""Syntax errors: what a person did wrong, at the place where it was done."""

from collections.abc import Callable

import pytest

from blocks.diagnostics import Span

Only = Callable[[str | bytes], tuple[str, str, Span | None]]


@pytest.mark.parametrize(
    ("text", "code", "words", "place"),
    [
        ("a: 1\n\tb: 2", "B0103", "a tab", (2, 1)),
        ("a:\n\tb: 2", "B0103", "a tab", (2, 1)),
        ("d_model 512\nv: 3", "B0102", "key without its colon", (1, 1)),
        ("v: 3\nd_model 512\n", "B0102", "key without its colon", (2, 1)),
        ("a: b: c", "B0102", "colon is not expected", (1, 5)),
        ("x: 1\n  y: 2", "B0102", "indented deeper", (2, 3)),
        ("a:\n   b: 1\n  c: 2\n", "B0102", "expected a key", (3, 3)),
        ("- a\nb: 1", "B0102", "expected a list item", (2, 1)),
        ("a: @x", "B0102", "cannot start with `@`", (1, 4)),
        ('a: "\\q"', "B0102", "escape", (1, 5)),
        ("a: [1, 2", "B0112", "this `[` is never closed", (1, 4)),
        ("a: {b: [1, 2\n\n", "B0112", "this `[` is never closed", (1, 8)),
        ("{", "B0112", "this `{` is never closed", (1, 1)),
        ("a: {x: 1\nb: 2", "B0112", "expected `,` or `}`", (2, 2)),
        ("a: 'x", "B0112", "quote is never closed", (1, 4)),
        ("a: ]", "B0112", "`]` was never opened", (1, 4)),
        ("a: 1\n...\nb", "B0108", "follows its end", (3, 1)),
    ],
)  # fmt: skip
def test_refused(text: str, code: str, words: str, place: tuple[int, int], only: Only) -> None:
    found, message, span = only(text)
    assert found == code
    assert words in message
    assert span is not None
    assert (span.line, span.column) == place
