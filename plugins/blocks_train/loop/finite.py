"""Finding where a number stops being finite: the batch is run again, with an eye on what every block gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from blocks import Plan


def first_not_finite(model: nn.Module, plan: Plan, run: Callable[[], Tensor]) -> str:
    """What is not finite first when `run` computes the loss of a batch, in words.

    The first stage or block, in the order of computation, whose output is not finite; where all outputs and the loss
    are, the one nearest to the loss whose parameters' gradients are not. Gradients are left as they come.
    """
    names = _names(plan)
    found: list[str] = []

    def look(name: str, module: nn.Module, args: Any, output: Any) -> None:
        if not found and any(not torch.isfinite(tensor).all() for tensor in tensors(output)):
            found.append(name)

    handles = [
        model.get_submodule(path).register_forward_hook(partial(look, name)) for path, name in names.items()
    ]
    try:
        model.zero_grad(set_to_none=True)
        loss = run()
        if found:
            return f"the output of {found[0]} is the first that is not finite"
        if not torch.isfinite(loss):
            return "every block's output is finite, the loss itself is not"
        torch.autograd.backward(loss)
    finally:
        for handle in handles:
            handle.remove()
    for path, name in reversed(names.items()):
        wrong = [
            leaf
            for leaf, parameter in model.get_submodule(path).named_parameters()
            if parameter.grad is not None and not torch.isfinite(parameter.grad).all()
        ]
        if wrong:
            return f"all outputs are finite; the gradient of {wrong[-1]} of {name} is the first that is not"
    return "run again, every output and gradient is finite"


def tensors(value: Any) -> Iterator[Tensor]:
    """The tensors of floating point in what a module gives: outputs, but no states, which come last in a tuple."""
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield value
    elif isinstance(value, tuple | list):
        for inner in value:
            if isinstance(inner, Tensor):
                yield from tensors(inner)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from tensors(inner)


def _names(plan: Plan) -> dict[str, str]:
    """Paths of all stages and blocks, in order, and what to call them; of shared ones the first."""
    found: dict[str, str] = {}
    for stage in plan.stages:
        if stage.component is not None:
            found[stage.path] = f"{stage.path} ({stage.component.name})"
        for layer in stage.layers:
            found[layer.path] = f"{layer.path} ({layer.type.name})"
    return found
