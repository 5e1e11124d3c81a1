"""Nested containers of tensors as safetensors and JSON, and back: states of optimizers and of mixers, without pickle.

What comes back is of the same types: tuples are tuples, and a NamedTuple, which a mixer's state is, is found by its
name among the classes of the model that made it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

Named = Callable[[str], Any]
"""The NamedTuple of a name. Raises LookupError."""


def flatten(value: Any, path: str = "") -> tuple[Any, dict[str, Tensor]]:
    """A tree as JSON, in which tensors are paths, and the tensors at those paths.

    Raises TypeError for what neither of them holds.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value, {}
    if isinstance(value, Tensor):
        return {"tensor": path}, {path: value.detach()}
    if isinstance(value, Mapping):
        rows = list(value.items())
        if not all(isinstance(key, bool | int | str) for key, _ in rows):
            raise TypeError(f"{path or 'the state'} has keys that are neither numbers nor texts")
        form: dict[str, Any] = {"mapping": []}
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        rows = list(zip(value._fields, value, strict=True))
        form = {"named": type(value).__name__, "fields": []}
    elif isinstance(value, tuple | list):
        rows = list(enumerate(value))
        form = {"tuple" if isinstance(value, tuple) else "list": []}
    else:
        raise TypeError(f"{path or 'the state'} is a {type(value).__name__}, which a checkpoint cannot hold")
    tensors: dict[str, Tensor] = {}
    (parts,) = (part for part in form.values() if isinstance(part, list))
    for key, inner in rows:
        made, inside = flatten(inner, f"{path}.{key}" if path else str(key))
        parts.append(made if isinstance(value, list | tuple) and "named" not in form else [key, made])
        tensors |= inside
    return form, tensors


def unflatten(form: Any, tensors: Mapping[str, Tensor], named: Named, device: torch.device | str) -> Any:
    """The tree of a form: every tensor in memory of its own on `device`, in the alignment that torch gives."""
    if not isinstance(form, dict):
        return form
    if "tensor" in form:
        return tensors[form["tensor"]].to(device, copy=True)
    if "mapping" in form:
        return {key: unflatten(inner, tensors, named, device) for key, inner in form["mapping"]}
    if "named" in form:
        parts = {key: unflatten(inner, tensors, named, device) for key, inner in form["fields"]}
        return named(form["named"])(**parts)
    if "tuple" in form:
        return tuple(unflatten(inner, tensors, named, device) for inner in form["tuple"])
    return [unflatten(inner, tensors, named, device) for inner in form["list"]]


def detached(value: Any) -> Any:
    """The same tree without a history of gradients, each tensor contiguous, as one that was read from a file is."""
    if isinstance(value, Tensor):
        return value.detach().contiguous()
    if isinstance(value, Mapping):
        return {key: detached(inner) for key, inner in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(detached, value))
    if isinstance(value, tuple | list):
        return type(value)(map(detached, value))
    return value


def named_in(namespace: Mapping[str, Any]) -> Named:
    """Finds NamedTuples among the names of a module, and nothing else there."""

    def find(name: str) -> Any:
        found = namespace.get(name)
        if not (isinstance(found, type) and issubclass(found, tuple) and hasattr(found, "_fields")):
            raise LookupError(f"the model has no state called {name}")
        return found

    return find
