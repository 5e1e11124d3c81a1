"""The module backend: runs the generated source and fills in the weights."""

from __future__ import annotations

import hashlib
import linecache
import sys
from types import ModuleType

import torch
from torch import nn

from blocks import BlockGraph, BuildError, Component, Plan, Sizes
from blocks.canonical import canonical
from blocks_compiler.backends.manifest import DTYPES
from blocks_compiler.backends.source import Source, generate, generate_component


def build_module(
    graph: BlockGraph, *, seed: int = 0, device: str = "cpu", dtype: str = "float32"
) -> nn.Module:
    """The model of a graph, in training mode as torch makes modules, with weights drawn from `seed`.

    On device "meta" nothing is allocated. Raises BuildError for a device or dtype that cannot be had.
    """
    plan: Plan = graph.graph["plan"]
    return remember(realise(generate(graph), plan.name, seed=seed, device=device, dtype=dtype), plan)


def remember(model: nn.Module, plan: Plan) -> nn.Module:
    """The model, whose attribute `recipe` now is the canonical text of its plan: building that gives the same."""
    model.__dict__["recipe"] = canonical(plan)
    return model


def build_component(
    component: Component, width: int, *, seed: int = 0, device: str = "cpu", dtype: str = "float32"
) -> nn.Module:
    """One component alone, bound or not, made as in a model: from its text, on the meta device first.

    Raises BuildError when its options are wrong for this width, or as `build_module` does.
    """
    check_component(component, width)
    source = generate_component(component.bind(Sizes(width)), width)
    return realise(source, component.name, seed=seed, device=device, dtype=dtype)


def check_component(component: Component, width: int) -> None:
    """Raise BuildError when the options of a component are wrong for this width."""
    wrong = list(component.check(Sizes(width)))
    if wrong:
        message = "; ".join(f"{complaint.field}: {complaint.message}" for complaint in wrong)
        raise BuildError.of(wrong[0].code, f"{component.name}: {message}", help=wrong[0].help)


def realise(source: Source, name: str, *, seed: int, device: str, dtype: str) -> nn.Module:
    """Run a source and fill in the weights; on device "meta" nothing is allocated. Raises BuildError."""
    module, model = _unfilled(source, device, dtype)
    if device != "meta":
        try:
            module.init_weights(model, seed)
        except TypeError as error:
            if "init_weights(generator)" not in str(error):
                raise
            raise BuildError.of("B0705", f"{name} has weights that nothing starts: {error}") from None
    return model


def build_empty(graph: BlockGraph, *, device: str = "cpu", dtype: str = "float32") -> nn.Module:
    """The model of a graph with memory for its weights, for a caller that fills in all of them.

    Raises BuildError for a device or dtype that cannot be had.
    """
    module, model = _unfilled(generate(graph), device, dtype)
    if device != "meta" and {name for name, _ in model.named_buffers()} - model.state_dict().keys():
        module.init_weights(model)  # buffers that are not saved are worked out
    return remember(model, graph.graph["plan"])


def _unfilled(source: Source, device: str, dtype: str) -> tuple[ModuleType, nn.Module]:
    """A source that was run, and its model with memory that holds whatever was there."""
    place, number = _device(device), _dtype(dtype)
    module = execute(source)
    with torch.device("meta"):
        model: nn.Module = getattr(module, source.class_name)()
    allocate(model, place, number)
    return module, model


def allocate(model: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
    """Give the tensors of a model on the meta device memory elsewhere; tied parameters stay tied.

    Parameters and buffers of floating point become `dtype`; their values are whatever was there.
    """
    done: dict[nn.Parameter, nn.Parameter] = {}
    for module in model.modules():
        for name, old in module._parameters.items():
            if old is None:
                continue
            if old not in done:
                empty = torch.empty_like(old, device=device, dtype=dtype)
                done[old] = nn.Parameter(empty, requires_grad=old.requires_grad)
            module._parameters[name] = done[old]
        for name, buffer in module._buffers.items():
            if buffer is not None:
                kept = dtype if buffer.is_floating_point() else buffer.dtype
                module._buffers[name] = torch.empty_like(buffer, device=device, dtype=kept)


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
        if reason.startswith("Expected one of"):
            reason = "there is no such kind"
        raise BuildError.of(
            "B0808", f"the device {device!r} cannot be had: {reason}", help="cpu, cuda, meta"
        ) from None
    return place


def _dtype(dtype: str) -> torch.dtype:
    if dtype not in DTYPES:
        raise BuildError.of("B0808", f"{dtype!r} is not a dtype of weights", help=", ".join(DTYPES))
    found: torch.dtype = getattr(torch, dtype)
    return found
