"""The module backend: runs the generated source and fills in the weights."""

from __future__ import annotations

import hashlib
import linecache
import sys
from types import ModuleType

import torch
from torch import nn

from blocks import BlockGraph, BuildError, Plan
from blocks_compiler.backends.source import Source, generate

DTYPES = ("float32", "float64", "bfloat16", "float16")


def build_module(graph: BlockGraph, *, seed: int = 0, device: str = "cpu", dtype: str = "float32") -> nn.Module:
    """The model of a graph, in training mode as torch makes modules, with weights drawn from `seed`.

    On device "meta" nothing is allocated. Raises BuildError for a device or dtype that cannot be had.
    """
    plan: Plan = graph.graph["plan"]
    place = _device(device)
    number = _dtype(dtype)
    source = generate(graph)
    module = execute(source)
    with torch.device("meta"):
        model: nn.Module = getattr(module, source.class_name)()
    allocate(model, place, number)
    if place.type != "meta":
        module.init_weights(model, seed, sum(layer.type.residual != "none" for layer in plan.layers))
    return model


def allocate(model: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
    """Give the parameters of a model on the meta device memory elsewhere; tied ones stay tied."""
    done: dict[nn.Parameter, nn.Parameter] = {}
    for module in model.modules():
        for name, old in module._parameters.items():
            if old is None:
                continue
            if old not in done:
                empty = torch.empty_like(old, device=device, dtype=dtype)
                done[old] = nn.Parameter(empty, requires_grad=old.requires_grad)
            module._parameters[name] = done[old]


def execute(source: Source) -> ModuleType:
    """Run a model's source as a module that debuggers, tracebacks and `inspect.getsource` can read."""
    digest = hashlib.sha256(source.text.encode()).hexdigest()[:12]
    name = f"blocks_models.{source.class_name}_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    file = f"<blocks {source.class_name} {digest}>"
    module = ModuleType(name, f"Generated from the recipe of {source.class_name}.")
    module.__file__ = file
    linecache.cache[file] = (len(source.text), None, source.text.splitlines(keepends=True), file)
    sys.modules[name] = module
    try:
        exec(compile(source.text, file, "exec"), module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _device(device: str) -> torch.device:
    try:
        place = torch.device(device)
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise BuildError.of("B0808", f"the device {device!r} cannot be had: {reason}", help="cpu, cuda, meta") from None
    return place


def _dtype(dtype: str) -> torch.dtype:
    if dtype not in DTYPES:
        raise BuildError.of("B0808", f"{dtype!r} is not a dtype of weights", help=", ".join(DTYPES))
    found: torch.dtype = getattr(torch, dtype)
    return found
