"""Infer shapes: every port has one, and ports that do not meet are reported with both ends."""

from blocks.reporting import Reporter
from blocks_compiler.passes.infer_shapes import infer_shapes


def test_every_port_has_a_shape(lowered):
    graph = infer_shapes(lowered(), Reporter(None))
    assert str(graph.node("tokens").outputs[0]) == "B T"
    assert str(graph.node("layers.0.mixer").inputs[0]) == "B T d_model"
    assert [str(port) for port in graph.node("layers.0.add").inputs] == ["B T d_model"] * 2
    assert str(graph.node("head").outputs[0]) == "B T vocab_size"
    assert str(graph.node("output").inputs[0]) == "B T vocab_size"


def test_a_head_of_its_own_size(lowered):
    graph = infer_shapes(lowered(("tied: true", "vocab_size: 7")), Reporter(None))
    assert str(graph.node("head").outputs[0]) == "B T 7"


def test_ends_that_do_not_meet(lowered):
    reporter = Reporter(None)
    first = ("  - embed: tokens\n", ""), ("  - position: {learned: {max_len: 64}}\n", "  - norm: rmsnorm\n")
    infer_shapes(lowered(*first), reporter)
    (found,) = reporter.problems.diagnostics
    assert found.code == "B0702"
    assert "tokens gives [B T], norm takes [B T d_model]" in found.message
