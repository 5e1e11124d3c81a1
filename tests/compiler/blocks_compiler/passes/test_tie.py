"""Tie: a tied parameter names its owner."""

import pytest

from blocks.reporting import Reporter
from blocks_compiler.passes.tie import tie


def test_a_tied_head_names_the_table(lowered):
    assert tie(lowered(), Reporter(None)).node("head").ties == (("weight", "embed.weight"),)


def test_an_untied_head_owns_its_own(lowered):
    assert tie(lowered(("tied: true", "tied: false")), Reporter(None)).node("head").ties == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([("  - embed: tokens\n", "")], "head is tied to an embedding, and there is none"),
        (
            [("tied: true", "tied: true, vocab_size: 7")],
            "head has 7 ids and cannot share the table of embed with 32",
        ),
    ],
)
def test_ties_that_cannot_be(lowered, changes, message):
    reporter = Reporter(None)
    graph = tie(lowered(*changes), reporter)
    (found,) = reporter.problems.diagnostics
    assert found.code == "B0703"
    assert message in found.message
    assert graph.node("head").ties == ()
