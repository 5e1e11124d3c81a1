"""The declaration: light to import, true about what the mixer cannot do, and its text stands alone."""

from __future__ import annotations

import ast
import base64
import builtins
import os
import pickle
import subprocess
import symtable
import sys
from collections.abc import Iterator
from typing import Any

import torch
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from blocks import Component, RecipeError
from blocks.reader import read
from blocks.yaml_text import flow
from blocks_compiler.backends.module import execute
from blocks_compiler.backends.source import generate_component
from blocks_compiler.conformance.measure import Violation, require
from blocks_compiler.conformance.subject import Subject

PROBE = """
import base64, importlib.util, pickle, sys
from blocks import Sizes
for name, file in {files!r}:
    try:
        __import__(name)
    except ImportError:
        spec = importlib.util.spec_from_file_location(name, file)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
mixer = pickle.loads(base64.b64decode({pickled!r}))
list(mixer.check(Sizes({width})))
bound = mixer.bind(Sizes({width}))
bound.cost(), bound.capabilities(), bound.inside(), bound.call({width})
print(*sorted({{"torch", {module!r}}} & sys.modules.keys()))
"""


def imports_no_torch(subject: Subject) -> None:
    """The declaration, asked everything it knows, imports neither torch nor the module that it names."""
    files = [
        (name, getattr(sys.modules[name], "__file__", None))
        for name in dict.fromkeys(type(part).__module__ for part in (subject.mixer, *slots(subject)))
    ]
    pickled = base64.b64encode(pickle.dumps(subject.mixer)).decode()
    named = subject.mixer.module.partition(":")[0]
    named = "torch" if named.split(".")[0] == "torch" else named
    code = PROBE.format(files=files, pickled=pickled, width=subject.d_model, module=named)
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
        check=False,
    )
    reason = done.stderr.strip().splitlines()[-1:] or [""]
    require(done.returncode == 0, f"the declaration fails in a fresh process: {reason[0]}")
    require(not done.stdout.strip(), f"the declaration imports {done.stdout.strip()}")


def slots(subject: Subject) -> Iterator[object]:
    """The components in the mixer's slots."""
    for name in type(subject.mixer).model_fields:
        value = getattr(subject.mixer, name)
        if hasattr(value, "model_fields_set"):
            yield value


@torch.no_grad()
def undeclared_raises(subject: Subject) -> None:
    """What a mixer does not declare, such as a mask where it is not `padded`: an error, never ignored."""
    module = subject.module()
    x = subject.inputs(2, 6)
    mask = torch.ones(2, 6, dtype=torch.bool)
    mask[0, :2] = False
    asked = (
        ("packed", "packed" in subject.can, {"mask": mask.long()}),
        ("padded", "padded" in subject.can, {"mask": mask}),
        ("cached", "cached" in subject.can, {"state": (x,)}),
        ("cross", subject.mixer.memory_width is not None, {"memory": (x, mask)}),
        ("borrows", subject.mixer.borrows, {"kv": (x,)}),
    )
    for capability, declared, arguments in asked:
        if declared:
            continue
        try:
            module.forward(x, **subject.around.arguments(x) | arguments)
        except (ValueError, TypeError, NotImplementedError):
            continue
        require(False, f"{next(iter(arguments))} is taken without a word, and {capability!r} is not declared")


def known_capabilities(subject: Subject) -> None:
    """Capabilities are those that blocks knows: a misspelt one would never be asked for."""
    unknown = sorted(subject.can - {"causal", "padded", "packed", "cached", "cross", "borrows"})
    require(not unknown, f"unknown capabilities: {', '.join(unknown)}")


def stands_alone(subject: Subject) -> None:
    """The generated text imports torch and the standard library alone and defines every name that it uses."""
    source = generate_component(subject.bound, subject.d_model)
    for node in ast.walk(ast.parse(source.text)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "."]
        for name in names:
            known = name.split(".")[0] in sys.stdlib_module_names | {"torch", "triton"}
            require(known, f"the generated text imports {name}")
    defined = vars(execute(source)).keys() | vars(builtins).keys() | {"__class__"}
    missing = sorted(set(free_names(symtable.symtable(source.text, "model.py", "exec"))) - defined)
    require(not missing, f"the generated text does not define {', '.join(missing)}")


def free_names(table: symtable.SymbolTable) -> Iterator[str]:
    """The global names that functions and classes of a text refer to."""
    for symbol in table.get_symbols():
        if symbol.is_global() and symbol.is_referenced():
            yield symbol.get_name()
    for child in table.get_children():
        yield from free_names(child)


def options_described(subject: Subject) -> None:
    """Every option has a description, those of components in its slots too, and is written and read back equal.

    Written as the text of a recipe, with the defaults filled in and as given.
    """
    for name, field in described(subject.mixer):
        require(bool(field.description), f"option {name} has no description")
    for mixer in (subject.mixer, subject.bound):
        text = flow(written(mixer))
        try:
            again = read_back(mixer, read(text).value)
        except (RecipeError, ValidationError) as error:
            raise Violation(f"{text} is not read back: {str(error).splitlines()[0]}") from None
        require(written(again) == written(mixer), f"{text} is read back as {flow(written(again))}")


def described(component: Component, path: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Options of a component and of those in its slots, with their paths."""
    for name, field in type(component).model_fields.items():
        yield path + name, field
    for name, inner in component.slots().items():
        yield from described(inner, f"{path}{name}.")


def written(component: Component) -> dict[str, Any]:
    """The options as plain values; those of a component in a slot under its name."""
    inner = component.slots()
    return {
        name: {inner[name].name: written(inner[name])} if name in inner else getattr(component, name)
        for name in type(component).model_fields
    }


def read_back(component: Component, values: Any) -> Component:
    """A component of the same class, and the same ones in its slots, of plain values. Raises ValidationError."""
    inner = component.slots()
    given = {
        name: read_back(inner[name], *value.values()) if name in inner else value
        for name, value in values.items()
    }
    return type(component)(**given).named(component.name)
