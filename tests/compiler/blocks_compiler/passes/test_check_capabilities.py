"""Check capabilities: what the head asks for, every mixer can do."""

import pytest

from blocks import RecipeError
from blocks.reporting import Reporter
from blocks_compiler.passes.check_capabilities import check_capabilities


def test_a_causal_model_passes_unchanged(lowered):
    graph = lowered()
    assert check_capabilities(graph, Reporter(None)) is graph


def test_each_kind_of_block_is_reported_once(lowered):
    reporter = Reporter(None)
    check_capabilities(lowered(("n_heads: 2", "n_heads: 2, mask: bidirectional")), reporter)
    messages = [diagnostic.message.partition(": ")[2] for diagnostic in reporter.problems.diagnostics]
    assert messages == [
        "attention cannot decode from a state or see only the past, which the lm head needs",
    ]
    with pytest.raises(RecipeError):
        reporter.problems.raise_if_any(RecipeError)


def test_without_a_head_nothing_is_asked(lowered):
    reporter = Reporter(None)
    changes = (("n_heads: 2", "n_heads: 2, mask: bidirectional"), ("  - head: {lm: {tied: true}}\n", ""))
    check_capabilities(lowered(*changes), reporter)
    assert not reporter.problems
