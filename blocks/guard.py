"""A stranger's component: what it declares is looked at once, and what its hooks raise or return names its plugin.

Both happen where a class is loaded (`Entry.examine`), so that no caller of a hook needs to know who wrote it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from functools import wraps
from inspect import isfunction
from typing import Any

from blocks.component import Call, Complaint, Component
from blocks.cost import Cost
from blocks.diagnostics import BlocksError, PluginError
from blocks.inside import Inside

Test = Callable[[Any], bool]


def _is_number(value: Any) -> bool:
    return type(value) is int and value > 0


def _are_words(value: Any) -> bool:
    return isinstance(value, tuple | list | frozenset | set) and all(isinstance(word, str) for word in value)


def _are_adjectives(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(word, str)
        and isinstance(options, Mapping)
        and all(isinstance(name, str) for name in options)
        for word, options in value.items()
    )


def _are_complaints(value: Any) -> bool:
    return all(isinstance(one, Complaint) for one in value)


def _is_cost(value: Any) -> bool:
    if not isinstance(value, Cost):
        return False
    value.forward(8, 8)
    value.decode(8, 8)
    value.state_bytes(8, 8, 2)
    value.parameters(8)
    return True


def _is_table(value: Any) -> bool:
    return value is None or (isinstance(value, tuple) and len(value) == 2 and all(map(_is_number, value)))


ATTRIBUTES: Mapping[str, tuple[Test, str]] = {
    "module": (lambda value: isinstance(value, str), "a string"),
    "phrases": (_are_words, "a tuple of strings"),
    "adjectives": (_are_adjectives, "a mapping of words to options"),
    "symbol": (lambda value: isinstance(value, str), "a string"),
    "ops": (_are_words, "a tuple of strings"),
    "where": (lambda value: value in ("stream", "heads", "scores"), "stream, heads or scores"),
    "requires": (_are_words, "a set of strings"),
}
"""Attribute of a class -> whether a value of it will do, and what would."""

HOOKS: Mapping[str, tuple[Test, str]] = {
    "check": (_are_complaints, "Complaints"),
    "bind": (lambda value: isinstance(value, Component), "a component"),
    "reading": (lambda value: isinstance(value, Component), "a component"),
    "borrowing": (lambda value: isinstance(value, Component), "a component"),
    "against": (lambda value: isinstance(value, Component), "a component"),
    "call": (lambda value: isinstance(value, Call), "a Call"),
    "out_width": (_is_number, "a positive whole number"),
    "share_group": (lambda value: value is None or isinstance(value, str), "a string or None"),
    "cost": (_is_cost, "a Cost"),
    "lends": (lambda value: value is None or isinstance(value, tuple), "a tuple or None"),
    "needs": (lambda value: value is None or isinstance(value, tuple), "a tuple or None"),
    "capabilities": (_are_words, "a set of strings"),
    "inside": (lambda value: value is None or isinstance(value, Inside), "an Inside or None"),
    "shape": (lambda value: isinstance(value, tuple), "a tuple of axes"),
    "table": (_is_table, "rows and columns, or None"),
    "longest": (lambda value: value is None or _is_number(value), "a positive whole number or None"),
    "check_plan": (_are_complaints, "Complaints"),
    "check_steps": (_are_complaints, "Complaints"),
    "factor": (lambda value: type(value) in (int, float) and math.isfinite(value), "a finite number"),
    "options": (lambda value: isinstance(value, Mapping), "a mapping of options"),
    "ties": (lambda value: isinstance(value, Mapping), "a mapping of parameters"),
}
"""Method of a component -> whether what it returned will do, and what would."""

CHECKS = ("check", "check_plan", "check_steps")
"""Those that yield, or give nothing at all."""


def guard(cls: type[Component], kind: str, name: str, title: str, distribution: str) -> None:
    """Look at what a class declares, and let its hooks name it when they fail. Twice is as once.

    Raises PluginError (B0609) for an attribute of another type than `blocks.component` says.
    """
    here = f"{kind} {name!r} of {title}"
    for attribute, (test, wanted) in ATTRIBUTES.items():
        if hasattr(cls, attribute) and not test(value := getattr(cls, attribute)):
            raise PluginError.of(
                "B0609",
                f"`{attribute}` of {here} is {_short(value)}, not {wanted}",
                help=f"upgrade or remove {distribution}",
            )
    for hook, (test, wanted) in HOOKS.items():
        owner = next((base for base in cls.__mro__ if hook in base.__dict__), Component)
        method = owner.__dict__.get(hook)
        if owner.__module__.partition(".")[0] == "blocks" or hasattr(method, "_blocks_guards"):
            continue
        if isfunction(method):
            setattr(cls, hook, _guarded(method, hook, test, wanted, here, distribution))


def _guarded(
    method: Callable[..., Any], hook: str, test: Test, wanted: str, here: str, distribution: str
) -> Callable[..., Any]:
    def refusal(what: str, more: str = "") -> PluginError:
        help = f"upgrade or remove {distribution}{more}"
        return PluginError.of("B0615", f"`{hook}` of {here} {what}", help=help)

    @wraps(method)
    def called(*args: Any, **kwargs: Any) -> Any:
        try:
            found = method(*args, **kwargs)
            if hook in CHECKS:
                found = [] if found is None else list(found)
        except BlocksError:
            raise
        except Exception as error:
            if "BLOCKS_TRACEBACK" in os.environ:
                raise
            raise refusal(f"raises {_reason(error)}", "; BLOCKS_TRACEBACK=1 shows where") from error
        try:
            good = test(found)
        except Exception:
            good = False
        if not good:
            raise refusal(f"returns {_short(found)}, not {wanted}")
        return iter(found) if hook in CHECKS else found

    called._blocks_guards = True  # type: ignore[attr-defined]
    return called


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0].rstrip(": ")


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."
