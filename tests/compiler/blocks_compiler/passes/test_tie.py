"""Tie: a tied parameter names its owner."""

import pytest

from blocks.reporting import Reporter
from blocks_compiler.passes.tie import tie


def test_a_tied_head_names_the_table(lowered):
    assert tie(lowered(), Reporter(None)).node("head").ties == (("weight", "embed.weight"),)


def test_an_untied_head_owns_its_own(lowered):
    assert tie(lowered(("tied: true", "tied: false")), Reporter(None)).node("head").ties == ()


@pytest.mark.parametrize(
    ("changes", "message", "help"),
    [
        (
            [("  - embed: tokens\n", "")],
            "head is tied to an embedding, and there is none",
            "begin with `- embed: tokens`, or set tied: false",
        ),
        (
            [("tied: true", "tied: true, vocab_size: 7")],
            "head has 7 ids and cannot share the table of embed with 32",
            "give both the same vocab_size, or set tied: false",
        ),
        (
            [("embed: tokens", "embed: {tokens: {dim: 8}}")],
            "head reads 16 channels and cannot share the table of embed with 8",
            "give the head dim: 8, or set tied: false",
        ),
        (
            [("tied: true", "tied: true, dim: 4")],
            "head reads 4 channels and cannot share the table of embed with 16",
            "give the head dim: 16, or set tied: false",
        ),
        (
            [
                ("  attention: {", "  wide: {mixer: gru, hidden: 24, residual: none}\n  attention: {"),
                ('[attention, ffn]", norm', '[attention, ffn], wide", norm'),
            ],
            "head reads 24 channels and cannot share the table of embed with 16",
            "give the head dim: 16, or set tied: false",
        ),
    ],
)
def test_ties_that_cannot_be(lowered, changes, message, help):
    reporter = Reporter(None)
    graph = tie(lowered(*changes), reporter)
    (found,) = reporter.problems.diagnostics
    assert found.code == "B0703"
    assert found.message.endswith(message)
    assert found.help == help
    assert graph.node("head").ties == ()


@pytest.mark.parametrize("masked", [False, True])
def test_a_factorised_table_is_shared_with_a_head_of_its_columns(lowered, masked):
    changes = [("embed: tokens", "embed: {tokens: {dim: 8}}"), ("tied: true", "tied: true, dim: 8")]
    if masked:
        changes += [("head: {lm:", "head: {masked_lm:")]
    reporter = Reporter(None)
    assert tie(lowered(*changes), reporter).node("head").ties == (("weight", "embed.weight"),)
    assert not reporter.problems
