"""Generation: `blocks generate`, and from Python an iterator.

    from blocks_generate import generate

    for piece in generate(model, coder, ["Once upon"], max_new_tokens=50, temperature=0.8):
        print(piece.text, end="")

What follows is imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from blocks import Register, hookimpl

if TYPE_CHECKING:
    from blocks_generate.beside import options_beside
    from blocks_generate.iterator import generate
    from blocks_generate.options import Options
    from blocks_generate.pieces import Completion, Piece, complete

_HOME = {
    "Completion": "pieces",
    "Options": "options",
    "Piece": "pieces",
    "complete": "pieces",
    "generate": "iterator",
    "options_beside": "beside",
}

__all__ = ["Completion", "Options", "Piece", "complete", "generate", "options_beside"]


@hookimpl
def register_commands(register: Register) -> None:
    """`blocks generate`."""
    register("generate", "blocks_generate.command:COMMAND", help="continue texts with a model")


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'blocks_generate' has no attribute {name!r}")
    value = getattr(import_module(f"blocks_generate.{_HOME[name]}"), name)
    globals()[name] = value
    return value
