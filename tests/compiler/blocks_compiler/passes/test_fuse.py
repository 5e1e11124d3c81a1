"""Fuse: parallel linears become one, and a residual sum goes into the norm that reads it."""

import pytest

from blocks import Registry, Target
from blocks.reporting import Reporter
from blocks_compiler.passes.choose_kernels import choose_kernels
from blocks_compiler.passes.fuse import fuse
from blocks_compiler.passes.infer_shapes import infer_shapes


@pytest.fixture
def fused(lowered):
    def make(*changes, kernels="triton"):
        graph = infer_shapes(lowered(*changes), Reporter(None))
        return fuse(choose_kernels(graph, Registry.installed(), Target("cuda", "float32"), kernels))

    return make


def test_parallel_projections_become_one(fused):
    graph = fused(kernels="reference")
    attention = [op.name for op in graph.node("layers.0.mixer").inside.ops]
    assert attention == ["qkv_proj", "scores", "out_proj"]
    gated = graph.node("layers.1.mixer").inside
    assert [op.name for op in gated.ops] == ["gate_up_proj", "gate", "out_proj"]
    assert sum(op.params for op in gated.ops).number(D=16) == 3 * 16 * 24


def test_without_a_kernel_the_sums_stay(fused):
    roles = [node.role for node in fused(kernels="reference").walk()]
    assert roles.count("add") == 4
    assert "add_norm" not in roles


def test_every_sum_goes_into_the_norm_that_reads_it(fused):
    graph = fused()
    roles = [node.role for node in graph.walk()]
    assert roles.count("add") == 0
    assert roles.count("add_norm") == 4
    assert graph.node("layers.0.norm").role == "norm"
    assert graph.node("norm").role == "add_norm"
    assert graph.sources("layers.1.norm") == {"x": ("position", "y"), "update": ("layers.0.mixer", "y")}
    assert graph.sources("layers.2.norm") == {
        "x": ("layers.1.norm", "sum"),
        "update": ("layers.1.mixer", "y"),
    }
    assert graph.sources("layers.1.mixer") == {"x": ("layers.1.norm", "y")}
    assert graph.sources("head") == {"x": ("norm", "y")}


def test_a_last_sum_without_a_norm_stays(fused):
    graph = fused(("  - norm: rmsnorm\n", ""))
    assert [node.path for node in graph.walk() if node.role == "add"] == ["layers.3.add"]
    assert graph.sources("layers.3.add")["x"] == ("layers.3.norm", "sum")
    assert graph.sources("head") == {"x": ("layers.3.add", "y")}


def test_layernorm_takes_no_sum(fused):
    graph = fused(("norm: rmsnorm, residual", "norm: layernorm, residual"))
    assert [node.path for node in graph.walk() if node.role == "add_norm"] == ["norm"]


def test_parameters_stay(fused):
    def count(graph):
        return sum(n.component.cost().parameters(16) for n in graph.walk() if n.component is not None)

    assert count(fused()) == count(fused(kernels="reference"))
