"""Cost: what a mixer declares is what torch counts. Convention and units: `blocks.Cost`.

Nothing is computed: modules and inputs are on the meta device, and attention takes its plain path of two
matrix products, which is the one that torch's counter sees on every device.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from blocks import Polynomial
from blocks.polynomial import Number
from blocks_compiler.conformance.measure import leaves, require
from blocks_compiler.conformance.subject import LONGEST, Subject
from blocks_compiler.conformance.surroundings import MEMORY_TOKENS


@torch.no_grad()
def count_flops(call: Any, x: Tensor, **rest: Any) -> tuple[int, Any]:
    """FLOPs of one call as torch counts them, and what the call returned."""
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        result = call(x, **rest)
    return counter.get_total_flops(), result


def parameters(subject: Subject) -> None:
    """`Cost.params` is the number of elements of all parameters."""
    held = sum(parameter.numel() for parameter in subject.fresh(device="meta").parameters())
    declared = subject.cost.parameters(subject.d_model)
    compare("the module", "parameters", declared, held)


def compare(where: str, what: str, declared: Number, found: int) -> None:
    """Raise Violation unless a declared number is what was found."""
    require(declared == found, f"{where}: declared {float(declared):,.10g} {what}, found {found:,}")


def flops(subject: Subject) -> None:
    """`Cost.flops` is what torch counts, at three lengths."""
    module = subject.fresh(device="meta")
    for tokens in subject.whole_lengths:
        x = torch.empty(1, tokens, subject.d_model, device="meta")
        counted, _ = count_flops(module.forward, x, **subject.around.arguments(x))
        declared = subject.cost.forward(tokens, subject.d_model, memory=MEMORY_TOKENS)
        compare(f"{tokens} tokens", "FLOPs", declared, counted)


def step_flops(subject: Subject) -> None:
    """`Cost.step` is what torch counts for one token with T tokens in the state, at three contexts."""
    module = subject.fresh(device="meta")
    for context in subject.whole_lengths:
        with torch.no_grad():
            _, state = module(torch.empty(1, context, subject.d_model, device="meta"))
        x = torch.empty(1, 1, subject.d_model, device="meta")
        counted, _ = count_flops(module.forward, x, **subject.around.arguments(x, state))
        declared = subject.cost.decode(context, subject.d_model, memory=MEMORY_TOKENS)
        compare(f"one token after {context}", "FLOPs", declared, counted)


def state_size(subject: Subject) -> None:
    """The state holds the declared elements a sequence, by dtype; masks (bool) are not counted."""
    cost, d_model = subject.cost, subject.d_model
    kinds = {"state": torch.bfloat16, "state_fp32": torch.float32, "state_int64": torch.int64}
    module = subject.fresh(torch.bfloat16, device="meta")
    around = {bound + more for bound in subject.bounds for more in (-1, 0, 1)}
    for tokens in sorted({1, 8, 24, *(t for t in around if 0 < t <= LONGEST)}):
        for batch in (1, 3):
            x = torch.empty(batch, tokens, d_model, device="meta", dtype=torch.bfloat16)
            with torch.no_grad():
                held = list(leaves(module.forward(x, **subject.around.arguments(x))[1]))
            for name, tensor in held:
                known = tensor.dtype in (*kinds.values(), torch.bool)
                require(known, f"{name} is {tensor.dtype} in a bfloat16 model; Cost has no place for it")
            for field, dtype in kinds.items():
                found = sum(tensor.numel() for _, tensor in held if tensor.dtype == dtype)
                each = Polynomial.of(getattr(cost, field)).number(T=tokens, D=d_model, S=MEMORY_TOKENS)
                declared = batch * each
                compare(f"{batch} x {tokens} tokens", f"elements of {field}", declared, found)
