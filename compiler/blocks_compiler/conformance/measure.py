"""Errors between tensors and between states: `err` is RMS of the difference over RMS of the reference."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}


class Violation(AssertionError):  # noqa: N818 - it is a finding
    """A mixer breaks a property; the message says which one, where, and by how much."""


def require(holds: bool, message: str) -> None:
    """Raise Violation unless the property holds."""
    if not holds:
        raise Violation(message)


def err(got: Tensor, wanted: Tensor) -> float:
    """RMS of the difference over RMS of the reference; 0 for empty tensors, infinite where not finite."""
    if wanted.numel() == 0:
        return 0.0
    wide = wanted.double()
    difference = (got.double() - wide).square().mean().sqrt().item()
    if difference != difference:
        return float("inf")
    return difference / max(wide.square().mean().sqrt().item(), 1e-30) if difference else 0.0


def require_close(got: Tensor, wanted: Tensor, tolerance: float, what: str) -> None:
    """Raise Violation unless shapes agree and err is within the tolerance."""
    require(got.shape == wanted.shape, f"{what}: shape {list(got.shape)}, not {list(wanted.shape)}")
    found = err(got, wanted)
    require(found <= tolerance, f"{what}: err {found:.2e}, more than {tolerance:.0e}")


def require_all_close(pairs: Iterable[tuple[str, Tensor, Tensor]], tolerance: float, what: str) -> None:
    """Raise Violation unless err over all pairs of result and reference together is within the tolerance.

    One pair may be badly conditioned, such as the norm of a vector close to 0. Names the one that is worst.
    """
    found = list(pairs)
    for where, got, wanted in found:
        require(
            got.shape == wanted.shape, f"{what}, {where}: shape {list(got.shape)}, not {list(wanted.shape)}"
        )
    results, references = (
        torch.cat([part.flatten() for part in parts])
        for parts in ([p[1] for p in found], [p[2] for p in found])
    )
    total = err(results, references)
    worst = max(found, key=lambda pair: err(pair[1], pair[2]))
    where = f"the worst is {worst[0]} with {err(worst[1], worst[2]):.2e}"
    require(total <= tolerance, f"{what}: err {total:.2e}, more than {tolerance:.0e}; {where}")


def require_equal(got: Tensor, wanted: Tensor, what: str) -> None:
    """Raise Violation unless the tensors agree in every bit."""
    require(got.shape == wanted.shape, f"{what}: shape {list(got.shape)}, not {list(wanted.shape)}")
    require(torch.equal(got, wanted), f"{what}: not bit-equal, err {err(got, wanted):.2e}")


def leaves(state: Any, path: str = "state") -> Iterator[tuple[str, Tensor]]:
    """The tensors of a state with their names; None leaves are passed over."""
    if isinstance(state, Tensor):
        yield path, state
    elif isinstance(state, Mapping):
        for key, value in state.items():
            yield from leaves(value, f"{path}[{key!r}]")
    elif isinstance(state, tuple | list):
        names = getattr(state, "_fields", range(len(state)))
        for name, value in zip(names, state, strict=True):
            yield from leaves(value, f"{path}.{name}")
    elif state is not None:
        raise Violation(f"{path} is a {type(state).__name__}: a state is made of tensors, tuples and None")


def mapped(state: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """The state with every tensor changed, and everything else as it was."""
    if isinstance(state, Tensor):
        return change(state)
    if isinstance(state, Mapping):
        return type(state)((key, mapped(value, change)) for key, value in state.items())  # type: ignore[call-arg]
    if isinstance(state, tuple | list):
        values = [mapped(value, change) for value in state]
        return type(state)(*values) if hasattr(state, "_fields") else type(state)(values)
    return state


def require_same_state(got: Any, wanted: Any, tolerance: float, what: str) -> None:
    """Raise Violation unless two states hold the same tensors."""
    mine, theirs = dict(leaves(got)), dict(leaves(wanted))
    require(mine.keys() == theirs.keys(), f"{what}: the state holds {sorted(mine)}, not {sorted(theirs)}")
    for name, tensor in theirs.items():
        require(mine[name].dtype == tensor.dtype, f"{what}: {name} is {mine[name].dtype}, not {tensor.dtype}")
        require_close(mine[name], tensor, tolerance, f"{what}: {name}")
