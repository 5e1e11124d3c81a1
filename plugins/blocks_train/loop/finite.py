"""Finding where a number stops being finite: the batch is run again, with an eye on what every block gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from blocks import Plan
from blocks_train.scale.ranks import ALONE, Ranks
from blocks_train.scale.shards import own


def first_not_finite(model: nn.Module, plan: Plan, run: Callable[[], Tensor], ranks: Ranks = ALONE) -> str:
    """What is not finite first when `run` computes the loss of a batch, in words.

    The first stage or block, in the order of computation, whose output is not finite; where all outputs and the loss
    are, the one nearest to the loss whose parameters' gradients are not. Gradients are left as they come. All ranks
    look at their own rows, and say the same.
    """
    names = _names(plan)
    order = list(names.values())
    found: list[int] = []

    def look(place: int, module: nn.Module, args: Any, output: Any) -> None:
        if not found and any(not torch.isfinite(tensor).all() for tensor in tensors(output)):
            found.append(place)

    handles = [
        model.get_submodule(path).register_forward_hook(partial(look, place))
        for place, path in enumerate(names)
    ]
    try:
        model.zero_grad(set_to_none=True)
        loss = run()
        first = min((place for places in ranks.gathered(found) for place in places), default=None)
        if first is not None:
            return f"the output of {order[first]} is the first that is not finite"
        if ranks.most(int(not torch.isfinite(loss))):
            return "every block's output is finite, the loss itself is not"
        torch.autograd.backward(loss)
    finally:
        for handle in handles:
            handle.remove()
    wrong = max(
        (
            (place, number, leaf)
            for place, path in enumerate(names)
            for number, (leaf, parameter) in enumerate(model.get_submodule(path).named_parameters())
            if parameter.grad is not None and not torch.isfinite(own(parameter.grad)).all()
        ),
        default=None,
    )
    last = max((each for each in ranks.gathered(wrong) if each is not None), default=None)
    if last is not None:
        return (
            f"all outputs are finite; the gradient of {last[2]} of {order[last[0]]} is the first that is not"
        )
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
