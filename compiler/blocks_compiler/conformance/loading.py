"""Loading: a module is its state_dict, made on the meta device or filled over other weights."""

from __future__ import annotations

import torch
from safetensors.torch import load, save

from blocks_compiler.conformance.measure import require, require_equal, require_same_state
from blocks_compiler.conformance.subject import Subject


@torch.no_grad()
def meta_device(subject: Subject) -> None:
    """Made on the meta device, then given a state_dict: no tensor is left there, and the outputs are bit-equal."""
    held = subject.module(torch.float32)
    made = subject.fresh(torch.float32, device="meta")
    left = [name for name, tensor in named(made) if not tensor.is_meta]
    require(not left, f"{', '.join(left)} takes memory on the meta device")
    made.load_state_dict(held.state_dict(), strict=True, assign=True)
    left = [name for name, tensor in named(made) if tensor.is_meta]
    require(not left, f"{', '.join(left)} is not in the state_dict: nothing gives it values")
    compare(subject, made, held, "a module made on the meta device")


@torch.no_grad()
def state_dict(subject: Subject) -> None:
    """Written as safetensors and read into a module of another seed, the state_dict gives bit-equal outputs."""
    held = subject.module(torch.float32)
    names = list(held.state_dict())
    saved = save({name: value.contiguous() for name, value in held.state_dict().items()})
    made = subject.fresh(torch.float32, seed=subject.seed + 1)
    made.load_state_dict(load(saved), strict=True)
    require(list(made.state_dict()) == names, "the names of a state_dict change as it is loaded")
    compare(subject, made, held, "a module loaded from its state_dict")


def named(module: torch.nn.Module) -> list[tuple[str, torch.Tensor]]:
    """Parameters and buffers."""
    return [*module.named_parameters(), *module.named_buffers()]


def compare(subject: Subject, made: torch.nn.Module, held: torch.nn.Module, what: str) -> None:
    """Raise Violation unless both give the same bits."""
    x = subject.inputs(2, subject.length, torch.float32)
    y, state = made(x)
    wanted, before = held(x)
    require_equal(y, wanted, what)
    require_same_state(state, before, 0.0, what)
