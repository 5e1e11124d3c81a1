"""Choose kernels: one implementation an op, the reference where nothing better runs."""

import pytest

from blocks import BuildError, Kernel, Registry, Target, hookimpl
from blocks_compiler.passes.choose_kernels import choose_kernels

CPU, CUDA = Target("cpu", "float32"), Target("cuda", "bfloat16")
FAST = "fast.kernels:rms_norm"


def on_cuda(target, component):
    return target.device == "cuda"


class Fast:
    """A plugin with one kernel that runs on CUDA alone."""

    @staticmethod
    @hookimpl
    def register_kernels(register):
        register("rms_norm/fast", Kernel(FAST, runs=on_cuda))


@pytest.fixture
def registry() -> Registry:
    return Registry.installed(plugins=False).with_plugin(Fast)


def test_auto_takes_what_prefers_the_target(lowered, registry):
    assert choose_kernels(lowered(), registry, CPU).graph["kernels"] == {}
    chosen = choose_kernels(lowered(), Registry([]).with_plugin(Fast), CPU, "reference")
    assert chosen.graph["kernels"] == {}


def test_a_named_kernel_where_it_runs_the_reference_elsewhere(lowered, registry):
    graph = choose_kernels(lowered(), registry, CUDA, "fast")
    assert graph.graph["kernels"] == {"rms_norm": ("blocks_norms.kernels:rms_norm", FAST)}
    assert dict(graph.node("layers.0.norm").kernels) == {"rms_norm": "fast", "add_rms_norm": "reference"}
    assert graph.node("layers.0.mixer").kernels == ()


def test_a_named_kernel_that_runs_nowhere(lowered, registry):
    with pytest.raises(BuildError, match=r"no fast kernel of this model's ops .* runs on cpu in float32"):
        choose_kernels(lowered(), registry, CPU, "fast")


def test_a_kernel_that_no_op_has(lowered, registry):
    with pytest.raises(BuildError, match="no kernels are called 'quick'"):
        choose_kernels(lowered(), registry, CPU, "quick")
