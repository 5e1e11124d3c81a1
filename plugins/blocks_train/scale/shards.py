"""A model dealt among ranks by FSDP2: each holds a part of every weight, and gathers a block's when it runs.

Zhao et al. 2023, arXiv:2304.11277; ZeRO stage 3 of Rajbhandari et al. 2019, arXiv:1910.02054. On a mesh of two
dimensions the weights are dealt within a group and copied from group to group (hybrid sharding).
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from blocks import BuildError
from blocks_train.scale.ranks import Ranks


def shard(model: nn.Module, paths: Iterable[str], ranks: Ranks) -> None:
    """Deal the parameters of a model, on the meta device or not: block by block, the rest together.

    `paths` are those of its blocks. One that shares parameters with something outside is left to the rest, in which
    they stay one. Raises BuildError for a parameter that is a single number.
    """
    from torch.distributed.fsdp import fully_shard

    single = [name for name, parameter in model.named_parameters() if not parameter.dim()]
    if single:
        raise BuildError.of(
            "B1510",
            f"{single[0]} is a single number, which cannot be dealt among processes",
            help="a parameter of shape [1] can",
        )
    for unit in units(model, paths):
        fully_shard(unit, mesh=ranks.mesh)
    fully_shard(model, mesh=ranks.mesh)


def units(model: nn.Module, paths: Iterable[str]) -> list[nn.Module]:
    """The blocks at these paths, each once, that have parameters and share none with anything else."""
    blocks = list(dict.fromkeys(model.get_submodule(path) for path in paths))
    within: dict[nn.Module, set[nn.Module | None]] = defaultdict(set)
    for block in blocks:
        for module in block.modules():
            within[module].add(block)
    users: dict[nn.Parameter, set[nn.Module | None]] = defaultdict(set)
    for module in model.modules():
        for parameter in module._parameters.values():
            if parameter is not None:
                users[parameter] |= within[module] or {None}
    return [
        block
        for block in blocks
        if list(block.parameters()) and all(users[each] == {block} for each in block.parameters())
    ]


@torch.no_grad()
def draw(model: nn.Module, init_weights: Callable[..., None], seed: int, device: torch.device) -> None:
    """Give a sharded model on the meta device its memory and its weights: the very bits that one process draws.

    Each rank draws a module's tensors in full and keeps its part, one module at a time, so that the model is nowhere
    whole. `init_weights` is that of the model's source.
    """
    model.to_empty(device=device)
    init_weights(model, seed, _whole)


@contextlib.contextmanager
def _whole(module: nn.Module) -> Iterator[None]:
    """Let a module have full tensors for its parameters, and those below it where it draws them; keep the parts."""
    holders = module.modules() if hasattr(module, "init_weights") else (module,)
    found = [
        (holder, name, parameter)
        for holder in holders
        for name, parameter in holder._parameters.items()
        if parameter is not None
    ]
    full = {parameter: nn.Parameter(whole(parameter.detach())) for _, _, parameter in found}
    for holder, name, parameter in found:
        holder._parameters[name] = full[parameter]
    try:
        yield
    finally:
        for holder, name, parameter in found:
            holder._parameters[name] = parameter
    for parameter, drawn in full.items():
        parameter.copy_(like(drawn.detach(), parameter))


def is_sharded(tensor: Any) -> bool:
    """Whether a tensor is dealt among ranks."""
    return hasattr(tensor, "device_mesh")


def whole(tensor: Tensor) -> Tensor:
    """A tensor in full, on every rank; all ranks have to ask for it."""
    made: Any = tensor
    full: Tensor = made.full_tensor() if is_sharded(tensor) else tensor
    return full


def own(tensor: Tensor) -> Tensor:
    """This rank's part of a tensor."""
    made: Any = tensor
    part: Tensor = made.to_local() if is_sharded(tensor) else tensor
    return part


def like(full: Tensor, model: Tensor) -> Tensor:
    """This rank's part of a full tensor that all ranks have, dealt as `model` is; nothing is sent.

    Raises ValueError where their shapes differ.
    """
    if full.shape != model.shape:
        raise ValueError(f"a tensor of shape {list(full.shape)} where {list(model.shape)} is meant")
    if not is_sharded(model):
        return full
    from torch.distributed.tensor import distribute_tensor

    made: Any = model
    return distribute_tensor(full.to(model.device), made.device_mesh, made.placements, src_data_rank=None)
