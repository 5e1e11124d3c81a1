"""Finding plugins: entry points of the group `blocks`, imported on first use, in quarantine.

A plugin that fails to import is listed with its error and the rest goes on. Two plugins that claim one name
are an error only when that name is used, and the error asks for `distribution:name`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from blocks import hookspecs
from blocks.diagnostics import PluginError
from blocks.hookspecs import GROUP
from blocks.suggest import did_you_mean

FIRST_PARTY = "blocks-dsl"
KINDS = {
    "mixer": "mixers",
    "embedding": "embeddings",
    "position": "positions",
    "norm": "norms",
    "score": "scores",
    "head": "heads",
    "objective": "objectives",
    "tokenizer": "tokenizers",
    "kernel": "kernels",
    "pass": "passes",
    "importer": "importers",
    "exporter": "exporters",
    "command": "commands",
}
"""Kind of component -> the plural in its hook's name."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """One entry point: where it comes from and whether it could be imported."""

    name: str
    module: str
    distribution: str
    version: str
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One registered name. `target` is the object or "package.module:Name"."""

    kind: str
    name: str
    target: Any
    help: str
    plugin: Plugin

    def load(self) -> Any:
        """The registered object, imported now if it was registered by name.

        Raises PluginError that names the plugin when the import fails.
        """
        if not isinstance(self.target, str):
            return self.target
        module, _, attribute = self.target.partition(":")
        try:
            with redirect_stdout(sys.stderr):
                return getattr(importlib.import_module(module), attribute)
        except (Exception, SystemExit) as error:
            raise PluginError.of(
                "B0602",
                f"{self.kind} {self.name!r} of plugin {self.plugin.name!r} ({self.plugin.distribution} "
                f"{self.plugin.version}) cannot be imported from {self.target}: {_reason(error)}",
                help=f"reinstall or remove {self.plugin.distribution}",
            ) from error


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0] if str(error) else type(error).__name__


class Registry:
    """All registered names, by kind.

    `points` are the entry points to read; `extra` adds modules as plugins, for tests and notebooks.
    """

    def __init__(self, points: Iterable[EntryPoint], extra: Sequence[Any] = ()) -> None:
        self._points = tuple(points)
        self._extra = tuple(extra)

    @staticmethod
    def installed(*, plugins: bool = True) -> Registry:
        """The registry of what is installed; with `plugins=False` of what came with blocks itself."""
        return _installed(plugins)

    def with_plugin(self, module: Any) -> Registry:
        """This registry and one more plugin, given as a module or any object with hookimpls."""
        return Registry(self._points, (*self._extra, module))

    @cached_property
    def _loaded(self) -> tuple[tuple[Plugin, ...], tuple[Entry, ...]]:
        found: list[Plugin] = []
        entries: list[Entry] = []
        origins: dict[int, tuple[str, str]] = {}  # reading a distribution's metadata takes a millisecond
        for point in self._points:
            dist = point.dist
            if id(dist) not in origins:
                origins[id(dist)] = (dist.name, dist.version) if dist else ("?", "?")
            plugin = Plugin(point.name, point.value, *origins[id(dist)])
            try:
                with redirect_stdout(sys.stderr):  # what a plugin prints is no part of our output
                    module = point.load()
                    entries += _collect(module, plugin)
            except (Exception, SystemExit) as error:
                plugin = Plugin(
                    plugin.name, plugin.module, plugin.distribution, plugin.version, _reason(error)
                )
            found.append(plugin)
        for module in self._extra:
            plugin = Plugin(getattr(module, "__name__", type(module).__name__), "", "(given)", "")
            entries += _collect(module, plugin)
            found.append(plugin)
        return tuple(found), tuple(entries)

    @property
    def plugins(self) -> tuple[Plugin, ...]:
        """Every plugin found, working or not."""
        return self._loaded[0]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Every registered name."""
        return self._loaded[1]

    @cached_property
    def _by_name(self) -> dict[tuple[str, str], list[Entry]]:
        table: dict[tuple[str, str], list[Entry]] = {}
        for entry in self.entries:
            table.setdefault((entry.kind, entry.name), []).append(entry)
            table.setdefault((entry.kind, f"{entry.plugin.distribution}:{entry.name}"), []).append(entry)
        return table

    def names(self, kind: str) -> list[str]:
        """Registered names of a kind, sorted."""
        return sorted({entry.name for entry in self.entries if entry.kind == kind})

    def of_kind(self, kind: str) -> list[Entry]:
        """Registered entries of a kind, in the order of registration."""
        return [entry for entry in self.entries if entry.kind == kind]

    def find(self, kind: str, name: str) -> Entry:
        """The entry of a name, or of `distribution:name`.

        Raises PluginError: no such name (with the nearest), or a name that two distributions claim.
        """
        found = self._by_name.get((kind, name), [])
        if len(found) == 1:
            return found[0]
        if found:
            owners = list(dict.fromkeys(f"{entry.plugin.distribution}:{entry.name}" for entry in found))
            if len(owners) == 1:
                owner = found[0].plugin.distribution
                raise PluginError.of(
                    "B0603",
                    f"{kind} {found[0].name!r} is registered {len(found)} times by {owner}",
                    help=f"use another version of {owner}, or remove it",
                )
            raise PluginError.of(
                "B0603",
                f"{kind} {name!r} is claimed by {len(found)} plugins",
                help=f"write {' or '.join(owners)}",
            )
        near = did_you_mean(name, self.names(kind))
        known = ", ".join(self.names(kind)) or "none is installed"
        failed = [f"{p.name} ({p.error})" for p in self.plugins if p.error]
        hint = f"did you mean {near!r}?" if near else f"known {KINDS[kind]}: {known}"
        if failed:
            hint += f"; plugins that failed to load: {'; '.join(failed)}"
        raise PluginError.of("B0601", f"no {kind} is called {name!r}", help=hint)


def _collect(module: Any, plugin: Plugin) -> list[Entry]:
    """Call the hooks of one plugin. Raises what pluggy raises for a hook that does not exist."""
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    manager.register(module, name=plugin.name)
    manager.check_pending()
    entries: list[Entry] = []
    for kind, plural in KINDS.items():

        def register(name: str, target: Any, *, help: str = "", kind: str = kind) -> None:
            entries.append(Entry(kind, name, target, help, plugin))

        getattr(manager.hook, f"register_{plural}")(register=register)
    return entries


@lru_cache(maxsize=2)
def _installed(plugins: bool) -> Registry:
    points = sorted(entry_points(group=GROUP), key=lambda point: (point.value, point.name))
    if not plugins:
        points = [p for p in points if p.dist is not None and p.dist.name == FIRST_PARTY]
    return Registry(points)
