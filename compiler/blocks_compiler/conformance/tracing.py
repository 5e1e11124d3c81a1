"""Tracing: torch.compile and torch.export take the whole module, for every batch and length.

Compiled for the backend "eager": what has to be shown of a mixer is that Dynamo takes its text into one graph and
guards no length. What makes code of graphs is torch's own, and takes minutes a mixer.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from blocks_compiler.conformance.measure import (
    TOLERANCE,
    Violation,
    require,
    require_close,
    require_same_state,
)
from blocks_compiler.conformance.padding import ragged
from blocks_compiler.conformance.subject import Subject

DTYPE = torch.float32
MORE = (0, 3, 8, 21, 40, 65)
"""Tokens beyond the least length at which a mixer does all that it does."""


def traced(what: str, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The result of a call that traces. Raises Violation with the first line of what stopped it."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)  # torch's own records and warnings while it traces, thousands of lines
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return call(*args, **kwargs)
        except Exception as error:
            line = (str(error).strip().splitlines() or [""])[0]
            raise Violation(f"{what}: {type(error).__name__}: {line}") from None
        finally:
            logging.disable(before)


@torch.no_grad()
def compiles(subject: Subject) -> None:
    """torch.compile takes every call into one graph (fullgraph) that serves other lengths: err 1e-5 in fp32."""
    module, graphs = subject.enclosed(DTYPE), 0

    def counted(graph: Any, inputs: Any) -> Any:
        nonlocal graphs
        graphs += 1
        return graph.forward

    torch.compiler.reset()
    fast = torch.compile(module, fullgraph=True, dynamic=True, backend=counted)
    tolerance, least = TOLERANCE[DTYPE], subject.length

    def check(what: str, calls: list[tuple[Any, ...]]) -> None:
        """Calls of one kind take half as many graphs at most: one, and others where a size is 0, 1, or a multiple."""
        before = graphs
        for arguments in calls:
            y, state = traced(f"torch.compile, {what}", fast, *arguments)
            wanted, kept = module(*arguments)
            require_close(y, wanted, tolerance, f"compiled, {what} of {y.shape[1]} tokens")
            require_same_state(state, kept, tolerance, f"compiled, {what} of {y.shape[1]} tokens")
        made = graphs - before
        require(made <= len(calls) // 2, f"torch.compile, {what}: {made} graphs for {len(calls)} lengths")

    lengths = [least + more for more in MORE]
    check("a call", [(subject.inputs(2 + n % 3, n, DTYPE),) for n in lengths])
    if "padded" in subject.can:
        check("a padded call", [(subject.inputs(4, n, DTYPE), None, ragged(n, "left")) for n in lengths])
    if "cached" in subject.can:
        x = subject.inputs(2, least + len(MORE), DTYPE)
        steps, state = [], module(x[:, :least])[1]
        for t in range(least, x.shape[1]):
            steps.append((x[:, t : t + 1], state))
            state = module(x[:, t : t + 1], state)[1]
        check("a step", steps)
    torch.compiler.reset()


@torch.no_grad()
def exports(subject: Subject) -> None:
    """torch.export takes it for every batch and length, with and without a mask: err 1e-5 in fp32."""
    module = subject.enclosed(DTYPE)
    sizes = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    least = subject.length

    def arguments(batch: int, tokens: int, masked: bool) -> tuple[Any, ...]:
        x = subject.inputs(batch, tokens, DTYPE)
        if not masked:
            return (x,)
        mask: Tensor = (
            ragged(tokens, "left")[:batch] if tokens > 5 else torch.ones(batch, tokens, dtype=torch.bool)
        )
        return x, None, mask

    for masked in (False, True) if "padded" in subject.can else (False,):
        what = f"torch.export{' with a mask' * masked}"
        shapes = (sizes, None, sizes) if masked else (sizes,)
        given = arguments(3, 12, masked)
        program = traced(what, torch.export.export, module, given, dynamic_shapes=shapes)
        call = program.module()
        for batch, tokens in ((3, 12), (1, 2), (2, least), (4, least + 5)):
            given = arguments(batch, tokens, masked)
            y, _ = traced(f"{what}, B = {batch}, T = {tokens}", call, *given)
            wanted, _ = module(*given)
            real = given[2] if masked else torch.ones(batch, tokens, dtype=torch.bool)
            require_close(y[real], wanted[real], TOLERANCE[DTYPE], f"{what}, B = {batch}, T = {tokens}")
