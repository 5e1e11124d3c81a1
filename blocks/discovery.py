"""Which entry points there are, which of them are loaded, and what a plugin registers once it is."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from importlib.metadata import Distribution, EntryPoint
from typing import Any

from blocks.collect import PluginFaultError, Registered, check_api, collect, stated_api
from blocks.diagnostics import PluginError, UsageError
from blocks.quarantine import TO_REGISTER, LeftError, TooLongError, apart, is_ready, timeout
from blocks.suggest import did_you_mean

FIRST_PARTY = "blocks-dsl"
VARIABLE = "BLOCKS_PLUGINS"


@dataclass(frozen=True, slots=True)
class Plugin:
    """One entry point: where it comes from, whether it could be imported, and what that changed.

    error     why it is left out, and `code`, the catalogue's; None: it works
    changed   the process's settings that its import changed, which have been put back
    """

    name: str
    module: str
    distribution: str
    version: str
    error: str | None = None
    code: str = "B0602"
    changed: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What to call it in a sentence."""
        origin = f" ({self.distribution} {self.version})" if self.version else ""
        return f"plugin {self.name!r}{origin}"


def describe(points: Iterable[EntryPoint]) -> tuple[Plugin, ...]:
    """Entry points with their distributions' names and versions."""
    origins: dict[int, tuple[str, str]] = {}  # reading a distribution's metadata takes a millisecond
    found: list[Plugin] = []
    for point in points:
        dist = point.dist
        if id(dist) not in origins:
            origins[id(dist)] = _origin(dist)
        module = point.module if point.pattern.match(point.value) else point.value
        found.append(Plugin(point.name, module, *origins[id(dist)]))
    return tuple(found)


def _origin(dist: Distribution | None) -> tuple[str, str]:
    """Name and version; question marks for what an installation that broke off does not say."""
    try:
        return (dist.name or "?", dist.version or "?") if dist else ("?", "?")
    except Exception:
        return "?", "?"


def load_plugin(
    plugin: Plugin, point: EntryPoint, kinds: Mapping[str, str]
) -> tuple[Plugin, list[Registered]]:
    """Import one plugin and call its hooks. A plugin that fails registers nothing, and says why."""
    try:
        if trusted(plugin):
            return plugin, quietly(point.load(), kinds)
        check_api(stated_api(plugin.module))
        if is_ready(plugin.module):
            return plugin, quietly(point.load(), kinds)
        seconds = timeout(TO_REGISTER)
        registered, changed = apart(
            lambda: quietly(point.load(), kinds), module=plugin.module, seconds=seconds
        )
        return replace(plugin, changed=changed), registered
    except PluginFaultError as error:
        return replace(plugin, error=reason(error), code=error.code), []
    except TooLongError as error:
        return replace(plugin, error=reason(error), code="B0606"), []
    except UsageError:  # of BLOCKS_PLUGIN_TIMEOUT
        raise
    except (Exception, SystemExit) as error:
        return replace(plugin, error=reason(error)), []


def quietly(module: Any, kinds: Mapping[str, str]) -> list[Registered]:
    """What a plugin registers; what it prints goes to stderr."""
    with redirect_stdout(sys.stderr):  # what a plugin prints is no part of our output
        return collect(module, kinds)


def select(points: Sequence[EntryPoint], wanted: str) -> list[bool]:
    """Which entry points to load: those of blocks itself, and of the distributions that `wanted` names.

    Raises PluginError where it names one that is not installed.
    """
    owners = [_normal(plugin.distribution) for plugin in describe(points)]
    names = sorted(set(owners) - {FIRST_PARTY})
    asked = {_normal(word): word.strip() for word in wanted.split(",") if word.strip()}
    for word in asked.keys() - {FIRST_PARTY, *names}:
        near = did_you_mean(word, names)
        known = f"installed: {', '.join(names)}" if names else "no other plugin is installed"
        raise PluginError.of(
            "B0605",
            f"{VARIABLE} names {asked[word]!r}, and no plugin's distribution is called so",
            help=f"did you mean {near!r}? {known}" if near else known,
        )
    return [owner in {FIRST_PARTY, *asked} for owner in owners]


def _normal(distribution: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", distribution.strip()).lower()


def trusted(plugin: Plugin) -> bool:
    """Whether it came with blocks itself."""
    return plugin.distribution == FIRST_PARTY


def reason(error: BaseException) -> str:
    """An error in one line."""
    if isinstance(error, PluginFaultError | TooLongError | LeftError):
        return str(error)
    return f"{type(error).__name__}: {error}".splitlines()[0] if str(error) else type(error).__name__
