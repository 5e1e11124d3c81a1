"""Calling the hooks of one plugin, with an answer to each way of getting them wrong."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pluggy

from blocks import hookspecs
from blocks.hookspecs import API_VERSION, GROUP
from blocks.suggest import did_you_mean

_API = re.compile(r"^blocks_api(?:\s*:\s*int)?\s*=\s*(\d+)\s*(?:#.*)?$", re.MULTILINE)


Registered: TypeAlias = tuple[str, str, Any, str]
"""Kind, name, target and help of one registered name."""


class PluginFaultError(Exception):
    """What is wrong with a plugin: a code of the catalogue and a sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def collect(module: Any, kinds: Mapping[str, str]) -> list[Registered]:
    """What a plugin registers: kind, name, target and help, in the order of `kinds` (kind -> plural).

    Raises PluginFaultError for hooks that do not exist, are not marked or take something else than `register`, for
    names that are none, and for a version of the API that does not fit; or what a hook raises.
    """
    check_api(getattr(module, "blocks_api", None))
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    _check_hooks(module, manager, [f"register_{plural}" for plural in kinds.values()])
    manager.register(module)
    found: list[Registered] = []
    for kind, plural in kinds.items():

        def register(name: str, target: Any, *, help: str = "", kind: str = kind) -> None:
            if not isinstance(name, str) or not re.fullmatch(r"[^\s:]+", name):
                raise PluginFaultError(
                    "B0608", f"{name!r} is not a name: blanks and colons are not part of one"
                )
            found.append((kind, name, target, help))

        getattr(manager.hook, f"register_{plural}")(register=register)
    return found


def _check_hooks(module: Any, manager: pluggy.PluginManager, known: list[str]) -> None:
    for name in dir(module):
        marked = manager.parse_hookimpl_opts(module, name) is not None
        if name not in known:
            if marked:
                near = did_you_mean(name, known)
                hint = f"did you mean {near!r}?" if near else f"hooks: {', '.join(known)}"
                raise PluginFaultError("B0608", f"unknown hook {name!r}; {hint}")
            continue
        hook = getattr(module, name)
        if not marked:
            raise PluginFaultError("B0608", f"{name} is not marked with @hookimpl, and nobody would call it")
        extra = [n for n in inspect.signature(hook).parameters if n not in ("self", "register")]
        if extra:
            raise PluginFaultError("B0608", f"{name} takes {', '.join(extra)}; a hook takes `register` alone")


def check_api(needed: Any) -> None:
    """Raise PluginFaultError when a plugin needs another version of the API than this one; None: it does not say."""
    if needed is None or (type(needed) is int and needed == API_VERSION):
        return
    if type(needed) is not int:
        raise PluginFaultError("B0607", f"blocks_api is {needed!r}, not a whole number such as {API_VERSION}")
    advice = "upgrade blocks-dsl" if needed > API_VERSION else "install a newer version of the plugin"
    raise PluginFaultError(
        "B0607",
        f"written for version {needed} of the plugin API, and this is version {API_VERSION}: {advice}",
    )


def stated_api(module: str) -> int | None:
    """The `blocks_api = N` in the text of a top-level module or package, which is not imported; None without."""
    found = _API.search(_text(module))
    return int(found[1]) if found else None


def announced(module: str) -> Iterator[tuple[str, str]]:
    """Hook and name of what the text of a plugin registers by plain strings; the plugin is not imported."""
    try:
        tree = ast.parse(_text(module))
    except (SyntaxError, ValueError):
        return
    for hook in ast.walk(tree):
        if not isinstance(hook, ast.FunctionDef) or not hook.name.startswith("register_"):
            continue
        for call in ast.walk(hook):
            match call:
                case ast.Call(func=ast.Name("register"), args=[ast.Constant(str(name)), *_]):
                    yield hook.name, name


def _text(module: str) -> str:
    """The text of a top-level module; empty where there is none to read."""
    if "." in module:
        return ""
    try:
        spec = importlib.util.find_spec(module)
        return Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""
    except (ImportError, ValueError, OSError):
        return ""
