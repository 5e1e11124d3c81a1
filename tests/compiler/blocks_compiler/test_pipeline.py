"""The pipeline: plan -> graph with shapes, ties, kernels and costs."""

import pytest

import blocks
from blocks import BuildError, RecipeError, Registry, hookimpl
from blocks_compiler import compile_plan


def test_every_node_has_shapes_and_costs(planned):
    graph = compile_plan(planned())
    assert all(port.shape is not None for node in graph.walk() for port in (*node.inputs, *node.outputs))
    total = sum(node.cost.parameters(16) for node in graph.walk())
    attention, ffn = 4 * 16 * 16, 3 * 16 * 24
    assert total == 32 * 16 + 64 * 16 + 2 * (attention + ffn + 2 * 16) + 16


def test_passes_of_plugins_run_last(planned):
    class Plugin:
        @staticmethod
        @hookimpl
        def register_passes(register):
            register("shout", shout)

    def shout(graph):
        assert graph.node("norm").cost.params
        for node in graph.walk():
            node.origin = ("shouted",)
        return graph

    seen = compile_plan(planned(), registry=Registry.installed().with_plugin(Plugin))
    assert {node.origin for node in seen.walk()} == {("shouted",)}


def test_all_mistakes_at_once():
    text = """
recipe: wrong
d_model: 16
vocab_size: 32
blocks: {a: {mixer: multi_head, mask: bidirectional}}
model:
  - stack: {layers: a}
  - head: {lm: {tied: true}}
"""
    with pytest.raises(RecipeError) as caught:
        blocks.compile_graph(text)
    assert {diagnostic.code for diagnostic in caught.value.diagnostics} >= {"B0701", "B0703"}


def test_the_target_changes_kernels_and_nothing_else(planned):
    cpu, cuda = (compile_plan(planned(), device=device, kernels="reference") for device in ("cpu", "cuda:1"))
    assert list(cpu) == list(cuda)
    assert cpu.graph["kernels"] == cuda.graph["kernels"] == {}


def test_unknown_kernels(planned):
    with pytest.raises(BuildError, match="no kernels are called 'trition'"):
        compile_plan(planned(), kernels="trition")
