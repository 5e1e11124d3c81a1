"""Check capabilities: what the head asks for, every mixer can do."""

import pytest

import blocks
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


@pytest.mark.parametrize(
    ("head", "mask", "help"),
    [
        ("classifier", "causal", "pool: last, or mask: bidirectional in the blocks"),
        ("{classifier: {pool: last}}", "causal", None),
        ("{classifier: {pool: mean}}", "causal", None),
        ("classifier", "bidirectional", None),
        ("masked_lm", "causal", "mask: bidirectional in the blocks, or head: lm"),
        ("masked_lm", "bidirectional", None),
    ],
)
def test_a_head_that_reads_tokens_which_see_too_little(lowered, head, mask, help):
    changes = (("n_heads: 2", f"n_heads: 2, mask: {mask}"), ("head: {lm: {tied: true}}", f"head: {head}"))
    reporter = Reporter(None)
    check_capabilities(lowered(*changes), reporter)
    assert [(each.code, each.help) for each in reporter.problems.diagnostics] == [("B0701", help)] * bool(
        help
    )


def test_another_stream_is_later_enough():
    text = """\
recipe: r
d_model: 8
vocab_size: 16
blocks:
  a: {mixer: multi_head, n_heads: 2, mask: bidirectional}
  m: {mixer: multi_head, n_heads: 2, memory: encoder}
model:
  encoder: [{embed: tokens}, {stack: {layers: a}}]
  decoder: [{embed: tokens}, {stack: {layers: m}}, {head: classifier}]
"""
    blocks.compile_graph(blocks.load(text))
