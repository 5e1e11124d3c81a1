"""torch's optimizers, made of a declaration's options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from blocks_train.optim.groups import groups


def adamw(model: nn.Module, options: Mapping[str, Any]) -> torch.optim.AdamW:
    """torch's AdamW; the groups have the names of their parameters (`param_names`)."""
    betas = options["beta1"], options["beta2"]
    return torch.optim.AdamW(_groups(model, options), betas=betas, eps=options["eps"], fused=has_fused(model))


def sgd(model: nn.Module, options: Mapping[str, Any]) -> torch.optim.SGD:
    """torch's SGD; the groups have the names of their parameters (`param_names`)."""
    return torch.optim.SGD(
        _groups(model, options),
        momentum=options["momentum"], dampening=options["dampening"], nesterov=options["nesterov"],
        fused=has_fused(model),
    )  # fmt: skip


def has_fused(model: nn.Module) -> bool | None:
    """True where torch makes a step in one pass over the weights, on a CPU and on CUDA; None leaves it to torch."""
    return {parameter.device.type for parameter in model.parameters()} <= {"cpu", "cuda"} or None


def set_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Give every group the rate that it began with, times a schedule's factor."""
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * factor


def _groups(model: nn.Module, options: Mapping[str, Any]) -> list[dict[str, Any]]:
    return groups(model, options["lr"], options["weight_decay"], embeddings=options["decay_embeddings"])
