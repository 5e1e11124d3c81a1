"""The compiler: recipe -> plan -> block graph -> passes -> module, source, diagram, report, build folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from blocks import Register, hookimpl

if TYPE_CHECKING:
    from blocks_compiler.pipeline import compile_plan

__all__ = ["compile_plan"]


def __getattr__(name: str) -> Any:
    if name == "compile_plan":
        from blocks_compiler.pipeline import compile_plan

        return compile_plan
    raise AttributeError(f"module 'blocks_compiler' has no attribute {name!r}")


@hookimpl
def register_commands(register: Register) -> None:
    """The commands of `blocks`."""
    for name, help in COMMANDS.items():
        module = MODULES.get(name, name.replace("-", "_"))
        register(name, f"blocks_compiler.commands.{module}:COMMAND", help=help)


COMMANDS = {
    "build": "write a folder with weights, lock file and picture",
    "check": "find everything that is wrong with recipes",
    "conform": "hold mixers to the properties that they declare",
    "cost": "parameters, FLOPs and state, of one recipe or several",
    "diff": "say what differs between two recipes, in meaning",
    "draw": "draw the architecture",
    "eject": "write the model as one readable PyTorch file",
    "explain": "say in words why each block is where it is",
    "export": "write a model in the format of other programs: hf, onnx, pt2",
    "import": "read a checkpoint of another library: its recipe and weights",
    "new": "write a recipe from a sentence",
    "new-plugin": "start a plugin of your own",
    "plugins": "list what is installed",
    "recipes": "list the published architectures",
    "schema": "write the JSON Schema that editors check recipes with",
    "show": "print the model block by block",
    "why": "explain an error code",
}
MODULES = {"import": "import_checkpoint"}
"""Commands whose name no module can have."""
