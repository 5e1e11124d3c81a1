"""Findings placed by path: in the text, in the sentence, or in words."""

from __future__ import annotations

import pytest

from blocks.diagnostics import Diagnostic, Span
from blocks.reader import read
from blocks.reporting import Reporter

TEXT = """\
recipe: r
d_model: 4 * dim
blocks:
  ffn: {mixer: mlp}
model: RoPE, eight percent attention
"""


def only(reporter: Reporter) -> Diagnostic:
    (found,) = reporter.problems.diagnostics
    return found


def shown(reporter: Reporter, span: Span | None) -> str:
    assert span is not None
    return TEXT.split("\n")[span.line - 1][span.column - 1 : span.end_column - 1]


def test_a_finding_stands_at_its_value_or_key() -> None:
    reporter = Reporter(read(TEXT, "r.yaml"))
    assert shown(reporter, reporter.span(("blocks", "ffn", "mixer"))) == "mlp"
    assert shown(reporter, reporter.span(("blocks", "ffn", "mixer"), key=True)) == "mixer"
    reporter.report("B0201", "no", ("blocks", "ffn"), key=True, label="here", help="yes")
    assert only(reporter) == Diagnostic("B0201", "no", "r.yaml", Span(4, 3, 6), "here", help="yes")


def test_a_finding_can_be_narrowed_to_characters() -> None:
    reporter = Reporter(read(TEXT))
    reporter.report("B0301", "no", ("d_model",), within=(4, 7))
    assert shown(reporter, only(reporter).span) == "dim"


def test_what_a_sentence_stands_for_is_placed_in_the_sentence() -> None:
    reporter = Reporter(read(TEXT), {("blocks", "attention"): (6, 29), ("blocks", "attention", "n"): (0, 4)})
    assert shown(reporter, reporter.span(("blocks", "attention", "mixer"))) == "eight percent attention"
    assert shown(reporter, reporter.span(("blocks", "attention", "n"))) == "RoPE"
    reporter.report("B0301", "no", ("blocks", "attention", "deep", "er"), within=(1, 2))
    assert shown(reporter, only(reporter).span) == "eight percent attention"


def test_only_what_is_written_is_named_beside() -> None:
    reporter = Reporter(read(TEXT))
    related = ((("d_model",), "set here"), (("depth",), "nowhere"))
    reporter.report("B0307", "no", ("blocks", "ffn"), related=related)
    (note,) = only(reporter).notes
    assert (shown(reporter, note.span), note.text) == ("4 * dim", "set here")


@pytest.mark.parametrize(
    ("path", "there"),
    [
        (("d_model",), True), (("blocks", "ffn", "mixer"), True), (("blocks", "ffn", "d_ff"), False),
        (("d_model", "deeper"), False), (("blocks", "said"), True), (("blocks", "said", "deeper"), False),
        ((), True),
    ],
)  # fmt: skip
def test_written(path: tuple[str, ...], there: bool) -> None:
    assert Reporter(read(TEXT), {("blocks", "said"): (0, 4)}).written(path) is there


def test_without_a_text_the_place_is_said_in_words() -> None:
    reporter = Reporter(None, {("blocks", "said"): (0, 4)})
    assert reporter.span(("blocks",)) is None
    assert not reporter.written(("blocks",))
    reporter.report("B0201", "no", ("layers", 3, "mixer"), help="yes", within=(0, 1))
    reporter.report("B0202", "too", ("blocks", "said", "n"))
    reporter.report("B0203", "all of it", ())
    found = {d.code: d for d in reporter.problems.diagnostics}
    assert found["B0201"] == Diagnostic("B0201", "layers.3.mixer: no", help="yes")
    assert found["B0202"].message == "model: too"
    assert found["B0203"].message == "all of it"
