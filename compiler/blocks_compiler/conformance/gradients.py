"""Gradients: those that autograd finds are those of the outputs, through one call and through several."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor
from torch.autograd.gradcheck import GradcheckError
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode

from blocks_compiler.conformance.measure import Violation, leaves
from blocks_compiler.conformance.padding import ragged
from blocks_compiler.conformance.subject import Subject

OURS = {"aten", "prim", "prims"}
"""Namespaces of torch's own ops, which have tests of their own."""


def gradcheck(subject: Subject) -> None:
    """Gradients of outputs and states are the numerical ones in fp64: plain, padded, and through a state.

    Of inputs, every parameter and the memory that is read; by random projections (torch's fast mode).
    """
    module = subject.enclosed(torch.float64)
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    names = [name for name, tensor in tensors.items() if tensor.is_floating_point()]
    values = [tensors[name].detach().clone().requires_grad_() for name in names]
    tokens = subject.length

    def run(pieces: list[int], mask: Tensor | None) -> Any:
        def outputs(x: Tensor, *given: Tensor) -> tuple[Tensor, ...]:
            state, found = None, []
            real = [None] * len(pieces) if mask is None else torch.split(mask, pieces, dim=1)
            for piece, present in zip(torch.split(x, pieces, dim=1), real, strict=True):
                arguments = (piece, state, present)
                y, state = functional_call(module, dict(zip(names, given, strict=True)), arguments)
                found.append(y)
            found += [tensor for _, tensor in leaves(state) if tensor.is_floating_point()]
            return tuple(found)

        return outputs

    kinds: dict[str, tuple[list[int], Tensor | None, int]] = {"one call": ([tokens], None, 2)}
    if "padded" in subject.can:
        kinds["a padded batch"] = ([tokens], ragged(tokens, "left"), 4)
    if "cached" in subject.can:
        kinds["calls with a state"] = ([tokens // 2, 1, 1, tokens - tokens // 2 - 2], None, 2)
    for where, (pieces, mask, batch) in kinds.items():
        x = subject.inputs(batch, tokens).requires_grad_()
        try:
            torch.autograd.gradcheck(run(pieces, mask), (x, *values), fast_mode=True)
        except GradcheckError as error:
            lines = [line for line in str(error).splitlines() if line.strip()]
            raise Violation(f"{where}: {' '.join(lines[:3])}") from None


class Calls(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the first call of each op that is not torch's own."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: dict[Any, tuple[Any, Any]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func.namespace not in OURS and func not in self.found:
            self.found[func] = torch.utils._pytree.tree_map(fresh, (args, kwargs))
        return func(*args, **kwargs)


def fresh(value: Any) -> Any:
    """A copy of a tensor that asks for a gradient if it can; anything else as it is."""
    if not isinstance(value, Tensor):
        return value
    return value.detach().clone().requires_grad_(value.is_floating_point())


def opcheck(subject: Subject) -> None:
    """Custom ops that are called pass torch.library.opcheck: schema, fake tensors, autograd, dynamic shapes."""
    module = subject.module(torch.float32)
    x = subject.inputs(2, subject.length, torch.float32)
    with Calls() as calls, torch.no_grad():
        _, state = module(x)
        if "cached" in subject.can:
            module(x[:, :1], state)
    for op, (args, kwargs) in calls.found.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                torch.library.opcheck(op, args, kwargs)
            except Exception as error:
                message = str(error).strip().splitlines() or [type(error).__name__]
                raise Violation(f"the op {op} fails torch.library.opcheck: {message[0]}") from None
