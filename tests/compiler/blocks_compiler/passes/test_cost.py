"""Cost: every node learns its cost, tied tables counted once."""

from blocks import Cost
from blocks.reporting import Reporter
from blocks_compiler.passes.cost import cost
from blocks_compiler.passes.infer_shapes import infer_shapes
from blocks_compiler.passes.tie import tie


def test_costs_are_those_of_the_components(lowered):
    reporter = Reporter(None)
    graph = cost(tie(infer_shapes(lowered(), reporter), reporter))
    assert graph.node("layers.0.add").cost == Cost()
    assert graph.node("layers.1.mixer").cost.parameters(16) == 3 * 16 * 24
    assert graph.node("embed").cost.parameters(16) == 32 * 16
    assert graph.node("head").cost.parameters(16) == 0
    assert graph.node("head").cost.forward(5, 16) == 2 * 32 * 16 * 5


def test_equal_blocks_share_one_cost(lowered):
    graph = cost(lowered())
    assert graph.node("layers.0.mixer").cost is graph.node("layers.2.mixer").cost
