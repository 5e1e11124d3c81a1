"""Waivers: cases that cannot hold, each with the reason why, of a declaration and of whoever runs the suite."""

from __future__ import annotations

from collections.abc import Mapping

from blocks.suggest import did_you_mean
from blocks_compiler.conformance.cases import CASES
from blocks_compiler.conformance.subject import Subject


def waivers(subject: Subject, more: Mapping[str, str]) -> dict[str, str]:
    """Case -> reason: those of the declaration, and `more`. Raises ValueError as `check_waivers`."""
    found = {**subject.bound.waivers(), **more}
    check_waivers(found)
    return found


def check_waivers(waive: Mapping[str, str]) -> None:
    """Raise ValueError for a case that does not exist, or a reason that is none."""
    for name, reason in waive.items():
        check_case(name)
        if not isinstance(reason, str) or not reason.strip():
            raise ValueError(f"waiving {name!r} needs a reason: waive={{{name!r}: 'because …'}}")


def check_case(name: str) -> None:
    """Raise ValueError for a case that does not exist."""
    names = [case.name for case in CASES]
    if name not in names:
        near = did_you_mean(name, names)
        hint = f"did you mean {near!r}?" if near else f"cases: {', '.join(names)}"
        raise ValueError(f"no case is called {name!r}; {hint}")
