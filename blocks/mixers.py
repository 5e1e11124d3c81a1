"""From a block's `mixer` to the mixer: looked up, told what it reads besides its stream, checked and bound."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from pydantic import ValidationError

from blocks.component import Mixer, Sizes
from blocks.diagnostics import PluginError
from blocks.recipe import Block, Recipe
from blocks.registry import Registry
from blocks.resolve import Resolver
from blocks.suggest import did_you_mean
from blocks.validation import Path


class Mixers:
    """Makes the mixers of the stack at `path`; `widths` gives the channels of the streams that they may read."""

    def __init__(self, resolver: Resolver, recipe: Recipe, path: Path, widths: Mapping[str, int]) -> None:
        self.resolver, self.recipe, self.path, self.widths = resolver, recipe, path, widths

    def make(self, block: Block, at: Path, sizes: Sizes, *, borrows: bool) -> Mixer | None:
        """The mixer of an entry whose options stand at `at`; None after a problem was reported."""
        resolver = self.resolver
        assert block.mixer is not None
        made = resolver.made("mixer", block.mixer, block.options, at, (*at, "mixer"))
        if made is None:
            return None
        assert isinstance(made, Mixer)
        if block.memory is not None:
            width = self._memory(block.memory, (*at, "memory"))
            if width is None or not self._can(made, "cross", "memory", "read another stream", at):
                return None
            made = made.reading(width)
        if borrows:
            if not self._can(made, "borrows", "kv_from", "use the keys and values of another block", at):
                return None
            made = made.borrowing()
        checked = resolver.checked(made, at, (*at, "mixer"), sizes)
        assert checked is None or isinstance(checked, Mixer)
        return checked

    def _can(self, mixer: Mixer, capability: str, key: str, what: str, at: Path) -> bool:
        if capability in mixer.capabilities():
            return True
        able = _able(self.resolver.registry, capability)
        self.resolver.report(
            "B0701",
            f"{mixer.name} cannot {what}",
            (*at, key),
            label=f"needs a mixer that is `{capability}`",
            related=(((*at, "mixer"), f"{mixer.name} is {', '.join(sorted(mixer.capabilities()))}"),),
            help=f"mixers that can: {', '.join(able)}" if able else f"leave out {key}",
        )
        return False

    def _memory(self, stream: str, at: Path) -> int | None:
        """Channels of the stream that a block reads."""
        width = self.widths.get(stream)
        if width is not None:
            return width
        streams = [name for name in self.recipe.streams if name]
        if stream in streams:
            if len(self.path) < 2:  # used by no stack; what is wrong with the stream was said
                return None
            itself = self.path[1] == stream
            message = f"{stream} does not come before the stream that reads it"
            message = f"a block of {stream} cannot read {stream} itself as its memory" if itself else message
            self.resolver.report(
                "B0707",
                message,
                at,
                related=((("model", stream), f"{stream} is here"),),
                help="a stream reads those above it: write the one that is read first",
            )
            return None
        near = did_you_mean(stream, streams)
        help = f"did you mean {near!r}?" if near else f"streams here: {', '.join(streams)}"
        if not streams:
            help = "name the streams: model: {encoder: [...], decoder: [...]}"
        self.resolver.report("B0706", f"no stream is called {stream!r}", at, help=help)
        return None


def _able(registry: Registry, capability: str) -> list[str]:
    """Mixers that can do something whatever their options."""
    found = []
    for entry in registry.of_kind("mixer"):
        with contextlib.suppress(PluginError, ValidationError):
            if capability in entry.load()().capabilities():
                found.append(entry.name)
    return found
