"""Finding plugins: entry points of the group `blocks`, imported on first use, in quarantine.

A plugin that fails to import is listed with its error and the rest goes on. Two plugins that claim one name
are an error only when that name is used, and the error asks for `distribution:name`. `--no-plugins` and the
environment variable BLOCKS_PLUGINS say which distributions are loaded at all.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from blocks.collect import announced
from blocks.diagnostics import PluginError, UsageError
from blocks.discovery import VARIABLE, Plugin, describe, load_plugin, quietly, reason, select, trusted
from blocks.guard import guard
from blocks.hookspecs import GROUP
from blocks.known_plugins import KNOWN
from blocks.quarantine import TO_USE, TooLongError, apart, is_ready, timeout
from blocks.suggest import did_you_mean

KINDS = {
    "mixer": "mixers",
    "embedding": "embeddings",
    "position": "positions",
    "norm": "norms",
    "score": "scores",
    "head": "heads",
    "objective": "objectives",
    "auxiliary": "auxiliaries",
    "optimizer": "optimizers",
    "schedule": "schedules",
    "tokenizer": "tokenizers",
    "kernel": "kernels",
    "pass": "passes",
    "importer": "importers",
    "exporter": "exporters",
    "command": "commands",
}
"""Kind of component -> the plural in its hook's name."""

KIND_OF_HOOK = {f"register_{plural}": kind for kind, plural in KINDS.items()}
TRAINING = ("objective", "auxiliary", "optimizer", "schedule")
"""Kinds of what the `train:` section names."""
COMPONENTS = ("mixer", "embedding", "position", "norm", "score", "head", "tokenizer", *TRAINING)
"""Kinds whose objects are component classes, each knowing its kind."""


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

        Raises PluginError that names the plugin when the import fails, or brings something of another kind.
        """
        return self.examine()[0]

    def examine(self) -> tuple[Any, tuple[str, ...]]:
        """What `load` returns, and the process's settings that its import changed and that were put back."""
        found: Any = self.target
        changed: tuple[str, ...] = ()
        if isinstance(found, str):
            module, _, attribute = found.partition(":")
            try:
                found, changed = self._imported(module, attribute)
            except UsageError:  # of BLOCKS_PLUGIN_TIMEOUT
                raise
            except Exception as error:
                raise PluginError.of(
                    "B0606" if isinstance(error, TooLongError) else "B0602",
                    f"{self.kind} {self.name!r} of {self.plugin.title} cannot be imported from {self.target}: "
                    f"{reason(error)}",
                    help=f"reinstall or remove {self.plugin.distribution}",
                ) from error
        if self.kind in COMPONENTS and getattr(found, "kind", None) != self.kind:
            article = "an" if self.kind[0] in "aeiou" else "a"
            raise PluginError.of(
                "B0609",
                f"{self.plugin.title} registers {found!r} as {self.kind} {self.name!r}, and it is not {article} "
                f"{self.kind}",
                help=f"a {self.kind} is a subclass of blocks.{self.kind.capitalize()}",
            )
        if self.kind in COMPONENTS and not trusted(self.plugin):
            guard(found, self.kind, self.name, self.plugin.title, self.plugin.distribution)
        return found, changed

    def _imported(self, module: str, attribute: str) -> tuple[Any, tuple[str, ...]]:
        def work() -> Any:
            return getattr(importlib.import_module(module), attribute)

        if trusted(self.plugin) or is_ready(module):
            with redirect_stdout(sys.stderr):
                return work(), ()
        return apart(work, module=module, seconds=timeout(TO_USE))


class Registry:
    """All registered names, by kind.

    `points` are the entry points to read; `extra` adds modules as plugins, for tests and notebooks. `left_out`
    are entry points that are known and not to be imported, by the word of `left_by`.
    """

    def __init__(
        self,
        points: Iterable[EntryPoint],
        extra: Sequence[Any] = (),
        *,
        left_out: Iterable[EntryPoint] = (),
        left_by: str = "",
    ) -> None:
        self._points = tuple(points)
        self._extra = tuple(extra)
        self._left_out = tuple(left_out)
        self.left_by = left_by
        self.passed_over: dict[str, PluginError] = {}
        """What was looked for in every component and not found in one that fails: its kind and name, and why."""

    @staticmethod
    def installed(*, plugins: bool = True) -> Registry:
        """The registry of what is installed; with `plugins=False` of what came with blocks itself.

        The environment variable BLOCKS_PLUGINS names the distributions to load besides that, with commas
        between; empty: none. Raises PluginError where it names one that is not installed.
        """
        return _installed(plugins, os.environ.get(VARIABLE))

    def with_plugin(self, module: Any) -> Registry:
        """This registry and one more plugin, given as a module or any object with hookimpls."""
        extra = (*self._extra, module)
        return Registry(self._points, extra, left_out=self._left_out, left_by=self.left_by)

    @cached_property
    def _loaded(self) -> tuple[tuple[Plugin, ...], tuple[Entry, ...]]:
        found: list[Plugin] = []
        entries: list[Entry] = []
        plugins = describe(self._points)
        pairs: list[tuple[Plugin, Any]] = [*zip(plugins, self._points, strict=True)]
        for module in self._extra:
            pairs.append(
                (Plugin(getattr(module, "__name__", type(module).__name__), "", "(given)", ""), module)
            )
        for plugin, source in pairs:
            if isinstance(source, EntryPoint):
                plugin, registered = load_plugin(plugin, source, KINDS)
            else:
                registered = quietly(source, KINDS)
            entries += (Entry(*row, plugin) for row in registered)
            found.append(plugin)
        return tuple(found), tuple(entries)

    @cached_property
    def left_out(self) -> tuple[Plugin, ...]:
        """Plugins that are installed and were not to be loaded; `left_by` says by whose word."""
        return describe(self._left_out)

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
        raise PluginError.of("B0601", f"no {kind} is called {name!r}", help=self._advice(kind, name))

    def _said_so(self, kind: str, name: str) -> str | None:
        """What came with blocks and sentences call so: `attention` is multi_head, `SwiGLU` gated_mlp."""
        wanted = _letters(name)
        for entry in self.of_kind(kind) if kind in COMPONENTS else ():
            if trusted(entry.plugin) and wanted in map(_letters, entry.load().phrases):
                return entry.name
        return None

    def _advice(self, kind: str, name: str) -> str:
        """What to do about an unknown name: another plugin has it, or it is misspelt, or a plugin failed."""
        elsewhere = self.elsewhere(kind)
        names = self.names(kind)
        near = (
            name
            if name in elsewhere
            else self._said_so(kind, name) or did_you_mean(name, [*names, *elsewhere])
        )
        if near is None:
            hint = f"known {KINDS[kind]}: {', '.join(names) or 'none is installed'}"
        elif near in names:
            hint = f"did you mean {near!r}?"
        else:
            hint = elsewhere[near] if near == name else f"did you mean {near!r}? {elsewhere[near]}"
        failed = [f"{p.name} ({p.error})" for p in self.plugins if p.error]
        return hint + (f"; plugins that failed to load: {'; '.join(failed)}" if failed else "")

    def elsewhere(self, kind: str) -> dict[str, str]:
        """Names of a kind that are not to be had as things stand, and a sentence on where they are."""
        found: dict[str, str] = {}
        here = {plugin.distribution for plugin in self.plugins}
        for known in KNOWN:
            if known.kind == kind and known.distribution not in here:
                found[known.name] = (
                    f"{known.name} is in {known.distribution}, which is not installed: pip install {known.install}"
                )
        for plugin in self.left_out:
            named = {name for hook, name in announced(plugin.module) if KIND_OF_HOOK.get(hook) == kind}
            owned = {
                known.name
                for known in KNOWN
                if (known.kind, known.distribution) == (kind, plugin.distribution)
            }
            for name in sorted(named | owned):
                where = f"{plugin.distribution} {plugin.version}"
                found[name] = f"{name} is in {where}, which {self.left_by} leaves out"
        return {name: where for name, where in found.items() if name not in self.names(kind)}


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


@lru_cache(maxsize=8)
def _installed(plugins: bool, wanted: str | None) -> Registry:
    points = sorted(entry_points(group=GROUP), key=lambda point: (point.value, point.name))
    if plugins and wanted is None:
        return Registry(points)
    loaded = select(points, (wanted or "") if plugins else "")
    return Registry(
        [point for point, load in zip(points, loaded, strict=True) if load],
        left_out=[point for point, load in zip(points, loaded, strict=True) if not load],
        left_by=VARIABLE if plugins else "--no-plugins",
    )
