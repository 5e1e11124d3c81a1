"""The hooks of a plugin, one a kind. A plugin is an entry point of the group `blocks` that implements some of them.

Each hook is handed `register(name, target)`. A target is the object itself or "package.module:Name", which is
imported when the name is first used, so that a plugin costs nothing until then.
"""

from __future__ import annotations

from typing import Any, Protocol

import pluggy

GROUP = "blocks"
API_VERSION = 1
"""The version of what a plugin is written against: the hooks, the base classes, the module contract.

A plugin may say which one it needs: `blocks_api = 1`, at the top level of the module that its entry point names.
"""
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


class Register(Protocol):
    """Hand a component to the registry; `help` is the one line that listings show."""

    def __call__(self, name: str, target: Any, *, help: str = "") -> None: ...


@hookspec
def register_mixers(register: Register) -> None:
    """Mixers: `Mixer` classes, what a block does to the sequence."""


@hookspec
def register_embeddings(register: Register) -> None:
    """Embeddings: `Embedding` classes, from tokens to vectors."""


@hookspec
def register_positions(register: Register) -> None:
    """Positions: `Position` classes, how order enters."""


@hookspec
def register_norms(register: Register) -> None:
    """Norms: `Norm` classes."""


@hookspec
def register_scores(register: Register) -> None:
    """Scores: `Score` classes, how well a query fits a key."""


@hookspec
def register_heads(register: Register) -> None:
    """Heads: `Head` classes, from vectors to the output."""


@hookspec
def register_objectives(register: Register) -> None:
    """Objectives: `Objective` classes, what a model is trained for."""


@hookspec
def register_auxiliaries(register: Register) -> None:
    """Auxiliaries: `Auxiliary` classes, losses beside the objective."""


@hookspec
def register_optimizers(register: Register) -> None:
    """Optimizers: `Optimizer` classes, what a gradient does to the weights."""


@hookspec
def register_schedules(register: Register) -> None:
    """Schedules: `Schedule` classes, how the learning rate moves."""


@hookspec
def register_tokenizers(register: Register) -> None:
    """Tokenizers: `Tokenizer` classes, from text to ids and back."""


@hookspec
def register_kernels(register: Register) -> None:
    """Kernels: `Kernel` objects named "op/implementation"; "op/reference" is the truth."""


@hookspec
def register_passes(register: Register) -> None:
    """Passes: functions BlockGraph -> BlockGraph that run after the compiler's own."""


@hookspec
def register_importers(register: Register) -> None:
    """Importers: from a foreign checkpoint to a recipe and weights."""


@hookspec
def register_exporters(register: Register) -> None:
    """Exporters: from a built model to a foreign format."""


@hookspec
def register_commands(register: Register) -> None:
    """Commands: `Command` objects, what `blocks NAME` runs."""
