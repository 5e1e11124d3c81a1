"""Describe, compare and build sequence-model architectures.

    recipe = blocks.load("recipes/hybrid-tiny.yaml")   # or the text itself
    model = blocks.build(recipe, seed=0)               # an nn.Module
    logits, state = model(tokens)

Everything here is imported on first use; torch only by `build` and `from_pretrained`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blocks.api import (
        build,
        compile_graph,
        find_build,
        from_pretrained,
        join_heads,
        load,
        report,
        save_build,
        save_checkpoint,
        split_heads,
    )
    from blocks.auxiliary import Auxiliary
    from blocks.component import (
        Call,
        Complaint,
        Component,
        Embedding,
        Head,
        Mixer,
        Norm,
        Position,
        Score,
        Sizes,
        TokenWise,
    )
    from blocks.cost import Cost, Saved
    from blocks.diagnostics import (
        BlocksError,
        BlocksWarning,
        BuildError,
        Diagnostic,
        PluginError,
        RecipeError,
        UsageError,
    )
    from blocks.graph import BlockGraph, Node, Port
    from blocks.hookspecs import API_VERSION, Register, hookimpl
    from blocks.importer import Importer, Rule
    from blocks.input import Input
    from blocks.inside import Inside, Op
    from blocks.kernel import Kernel, Target
    from blocks.objective import Objective
    from blocks.optimizer import Optimizer
    from blocks.plan import Plan
    from blocks.polynomial import B, D, Polynomial, S, T, minimum
    from blocks.recipe import Recipe
    from blocks.registry import Registry
    from blocks.schedule import Schedule
    from blocks.tokenizer import Coder, Tokenizer, open_tokenizer
    from blocks.training import PlannedTraining, Training

__version__ = "0.1.0"

_HOME = {
    "API_VERSION": "hookspecs",
    "Auxiliary": "auxiliary",
    "B": "polynomial",
    "BlockGraph": "graph",
    "BlocksError": "diagnostics",
    "BlocksWarning": "diagnostics",
    "BuildError": "diagnostics",
    "Call": "component",
    "Coder": "tokenizer",
    "Complaint": "component",
    "Component": "component",
    "Cost": "cost",
    "Saved": "cost",
    "D": "polynomial",
    "Diagnostic": "diagnostics",
    "Embedding": "component",
    "Head": "component",
    "Importer": "importer",
    "Input": "input",
    "Inside": "inside",
    "Kernel": "kernel",
    "Mixer": "component",
    "Node": "graph",
    "Norm": "component",
    "Objective": "objective",
    "Op": "inside",
    "Optimizer": "optimizer",
    "Plan": "plan",
    "PlannedTraining": "training",
    "PluginError": "diagnostics",
    "Polynomial": "polynomial",
    "Port": "graph",
    "Position": "component",
    "Recipe": "recipe",
    "RecipeError": "diagnostics",
    "Register": "hookspecs",
    "Registry": "registry",
    "Rule": "importer",
    "S": "polynomial",
    "Schedule": "schedule",
    "Score": "component",
    "Sizes": "component",
    "T": "polynomial",
    "Target": "kernel",
    "TokenWise": "component",
    "Tokenizer": "tokenizer",
    "Training": "training",
    "UsageError": "diagnostics",
    "build": "api",
    "compile_graph": "api",
    "find_build": "api",
    "from_pretrained": "api",
    "hookimpl": "hookspecs",
    "join_heads": "api",
    "load": "api",
    "minimum": "polynomial",
    "open_tokenizer": "tokenizer",
    "report": "api",
    "save_build": "api",
    "save_checkpoint": "api",
    "split_heads": "api",
}

__all__ = [
    "API_VERSION",
    "Auxiliary",
    "B",
    "BlockGraph",
    "BlocksError",
    "BlocksWarning",
    "BuildError",
    "Call",
    "Coder",
    "Complaint",
    "Component",
    "Cost",
    "D",
    "Diagnostic",
    "Embedding",
    "Head",
    "Importer",
    "Input",
    "Inside",
    "Kernel",
    "Mixer",
    "Node",
    "Norm",
    "Objective",
    "Op",
    "Optimizer",
    "Plan",
    "PlannedTraining",
    "PluginError",
    "Polynomial",
    "Port",
    "Position",
    "Recipe",
    "RecipeError",
    "Register",
    "Registry",
    "Rule",
    "S",
    "Saved",
    "Schedule",
    "Score",
    "Sizes",
    "T",
    "Target",
    "TokenWise",
    "Tokenizer",
    "Training",
    "UsageError",
    "build",
    "compile_graph",
    "find_build",
    "from_pretrained",
    "hookimpl",
    "join_heads",
    "load",
    "minimum",
    "open_tokenizer",
    "report",
    "save_build",
    "save_checkpoint",
    "split_heads",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'blocks' has no attribute {name!r}")
    value = getattr(import_module(f"blocks.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
