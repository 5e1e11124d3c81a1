"""The pipeline: plan -> graph -> passes. The order of the passes is the order of this file."""

from __future__ import annotations

from blocks import BlockGraph, Plan, RecipeError, Registry, Target
from blocks.reporting import Reporter
from blocks_compiler.lower import lower
from blocks_compiler.passes.check_capabilities import check_capabilities
from blocks_compiler.passes.choose_kernels import choose_kernels
from blocks_compiler.passes.cost import cost
from blocks_compiler.passes.fuse import fuse
from blocks_compiler.passes.infer_shapes import infer_shapes
from blocks_compiler.passes.tie import tie


def check_plan(plan: Plan) -> BlockGraph:
    """The graph of a plan after the passes that can refuse it, before kernels are chosen. Raises RecipeError."""
    reporter = Reporter(plan.recipe.document, plan.aliases)
    graph = lower(plan)
    graph = infer_shapes(graph, reporter)
    graph = tie(graph, reporter)
    graph = check_capabilities(graph, reporter)
    reporter.problems.raise_if_any(RecipeError)
    return graph


def compile_plan(
    plan: Plan,
    *,
    registry: Registry | None = None,
    device: str = "cpu",
    dtype: str = "float32",
    kernels: str = "auto",
) -> BlockGraph:
    """The block graph of a plan after all passes, those that plugins registered last.

    `device` and `dtype` are torch's names; they and `kernels` (auto, reference, or an implementation's name)
    decide which kernels are chosen, and nothing else. Raises RecipeError, BuildError.
    """
    registry = registry or Registry.installed()
    graph = check_plan(plan)
    graph = choose_kernels(graph, registry, Target(device.split(":")[0], dtype), kernels)
    graph = fuse(graph)
    graph = cost(graph)
    for entry in registry.of_kind("pass"):
        graph = entry.load()(graph)
    return graph
