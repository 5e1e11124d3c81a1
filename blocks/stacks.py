"""Stacks: from the vocabulary, a layout and its overrides to the explicit list of layers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from blocks import layout, literal, selectors
from blocks.blocktype import BlockType, Layer
from blocks.borrowing import lend
from blocks.diagnostics import PluginError
from blocks.layout import LayoutError, Placement
from blocks.recipe import STRUCTURE, Recipe, Stack
from blocks.resolve import Resolver
from blocks.suggest import did_you_mean
from blocks.validation import Path
from blocks.vocabulary import Vocabulary

LAYOUTS = ("layers", "pattern", "interleave", "cycle")


class StackPlanner:
    """Plans one stack, reporting problems to the resolver. `types` is the vocabulary as it uses it.

    `name` is the path of the stack, `widths` the channels of the streams that its blocks may read.
    """

    def __init__(
        self,
        resolver: Resolver,
        recipe: Recipe,
        stack: Stack,
        path: Path,
        name: str,
        widths: Mapping[str, int],
    ) -> None:
        self.resolver, self.recipe, self.stack, self.path = resolver, recipe, stack, path
        self.name, self.widths = name, widths
        self.types: dict[str, BlockType] = {}

    def layers(self, width: int) -> tuple[Layer, ...] | None:
        """The layers in order for an input of `width` channels; None after a problem was reported."""
        letters = self._symbols()
        placements = self._placements(letters)
        self.resolver.slot("norm", self.stack.norm, (*self.path, "norm"))
        if placements is None:
            return None
        used = [placement.block for placement in placements]
        vocabulary = Vocabulary(self.resolver, self.recipe, self.stack, self.path, self.widths, len(used))
        known = self._check_known(dict.fromkeys(used))
        changes = self._changes(used)
        layers: list[Layer] = []
        good = known and letters is not None
        for index, placement in enumerate(placements):
            name = placement.block
            if name not in self.recipe.blocks:
                continue
            base = vocabulary.block(name, width)
            if base is not None:
                self.types.setdefault(name, base)
            change, at = changes.get(index, ({}, None))
            made = vocabulary.block(name, width, change, at) if change else base
            if made is None or letters is None:
                good = False
                continue
            width = made.out_width
            layers.append(Layer(f"{self.name}.{index}", made, placement.reason, letters[name]))
        return lend(layers, self.stack.name, self.resolver) if good else None

    # Layout

    def _placements(self, letters: Mapping[str, str] | None) -> list[Placement] | None:
        stack, path, report = self.stack, self.path, self.resolver.report
        ways = [way for way in LAYOUTS if getattr(stack, way) is not None]
        if len(ways) != 1:
            said = f"both {ways[0]} and {ways[1]} do" if ways else "nothing does"
            report(
                "B0411",
                f"one of layers, pattern, interleave and cycle says which blocks; {said}",
                (*path, ways[0]) if ways else path,
                related=tuple(((*path, way), f"{way} is here") for way in ways[1:]),
                help=None if ways else "depth: 12, cycle: [attention, ffn]",
            )
            return None
        depth = self.resolver.size(stack.depth, (*path, "depth")) if stack.depth is not None else None
        if stack.depth is not None and depth is None:
            return None
        if stack.depth is None and ways[0] in ("interleave", "cycle"):
            depth = self.resolver.sizes.depth
        for extra, needs in (("scatter", "interleave"), ("symbols", "pattern")):
            if getattr(stack, extra) is not None and ways[0] != needs:
                report("B0412", f"{extra} belongs to {needs}", (*path, extra), key=True)
        if ways[0] == "pattern" and letters is None:
            return None
        try:
            found = list(self._lay_out(ways[0], depth, letters or {}))
            if depth is not None and len(found) != depth:
                message = f"{ways[0]} has {len(found)} blocks, depth says {depth}"
                raise LayoutError("B0413", message, ("depth",))
        except LayoutError as error:
            where = ("depth",) if error.path == ("depth",) and stack.depth is None else (*path, *error.path)
            report(error.code, error.message, where, help=error.help)
            return None
        return found

    def _lay_out(self, way: str, depth: int | None, letters: Mapping[str, str]) -> Iterator[Placement]:
        stack = self.stack
        if way == "layers":
            return literal.literal(literal.parse_literal(stack.layers or []))
        if way == "pattern":
            read = {letter: block for block, letter in letters.items()} | (stack.symbols or {})
            return layout.from_pattern(stack.pattern or "", read)
        if depth is None:
            raise LayoutError("B0414", f"{way} needs a depth", (way,), "depth: 24")
        if way == "cycle":
            return layout.cycle(depth, stack.cycle or [])
        return layout.weave(depth, stack.interleave or [], stack.scatter)

    def _symbols(self) -> dict[str, str] | None:
        """Block -> letter: as `symbols` says, else the mixer's own, else one of the block's name."""
        letters: dict[str, str] = {}
        good = True
        for letter, block in (self.stack.symbols or {}).items():
            if len(letter) != 1:
                self.resolver.report(
                    "B0405", f"{letter!r} is not one letter", (*self.path, "symbols", letter), key=True
                )
                good = False
            letters.setdefault(block, letter)
        taken = set(letters.values())
        spare = [chr(c) for c in (*range(ord("a"), ord("z") + 1), *range(0x3B1, 0x3C9))]
        for name, entry in self.recipe.blocks.items():
            if name not in letters:
                wanted = [self._mixer_symbol(entry.mixer), name[0].upper(), name[0].lower(), *spare, "?"]
                letters[name] = next(w for w in wanted if w and (w == "?" or w not in taken))
                taken.add(letters[name])
        return letters if good else None

    def _mixer_symbol(self, mixer: str | None) -> str:
        if mixer is None:
            return ""
        try:
            symbol: str = self.resolver.registry.find("mixer", mixer).load().symbol
        except PluginError:
            return ""
        return symbol

    def _check_known(self, used: Iterable[str]) -> bool:
        blocks = self.recipe.blocks
        good = True
        for name in used:
            if name not in blocks:
                good = False
                near = did_you_mean(name, blocks)
                self.resolver.report(
                    "B0410",
                    f"no block is called {name!r}",
                    self._place_of(name),
                    help=f"did you mean {near!r}?" if near else f"blocks here: {', '.join(blocks) or 'none'}",
                )
        return good

    def _place_of(self, name: str) -> Path:
        stack, path = self.stack, self.path
        for way in ("interleave", "cycle", "layers"):
            members = getattr(stack, way)
            if isinstance(members, list) and name in members:
                return (*path, way, members.index(name))
        if stack.scatter and name in stack.scatter:
            return (*path, "scatter", name)
        for letter, block in (stack.symbols or {}).items():
            if block == name:
                return (*path, "symbols", letter)
        return (*path, "layers") if stack.layers is not None else path

    # Overrides

    def _changes(self, used: list[str]) -> dict[int, tuple[dict[str, Any], Path]]:
        """Index -> the keys that overrides change there, and the last override. Later ones win, key by key."""
        changes: dict[int, tuple[dict[str, Any], Path]] = {}
        for selector, change in (self.stack.override or {}).items():
            try:
                chosen = selectors.select(selector, used, self.stack.name)
            except LayoutError as error:
                self.resolver.report(
                    error.code, error.message, (*self.path, *error.path), key=True, help=error.help
                )
                continue
            at = (*self.path, "override", selector)
            for index in chosen:
                block = self.recipe.blocks.get(used[index])
                if block is not None:
                    before = changes[index][0] if index in changes else {}
                    changes[index] = _merged(before, change, block.mixer), at
        return changes


def _merged(before: Mapping[str, Any], change: Mapping[str, Any], mixer: str | None) -> dict[str, Any]:
    """Both changes, the second one winning; another mixer resets the fields of the first one's."""
    current = before.get("mixer", mixer)
    if change.get("mixer", current) == current:
        return {**before, **change}
    return {k: v for k, v in before.items() if k in STRUCTURE and k != "mixer"} | dict(change)
