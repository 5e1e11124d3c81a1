"""Stacks: from the vocabulary, a layout and its overrides to the explicit list of layers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from blocks import deepnorm, layout, literal, selectors
from blocks.blocktype import BlockType, Layer
from blocks.borrowing import lend, sources
from blocks.diagnostics import PluginError
from blocks.layout import LayoutError, Placement
from blocks.recipe import STRUCTURE, Recipe, Stack
from blocks.resolve import Resolver
from blocks.suggest import did_you_mean
from blocks.validation import Path
from blocks.vocabulary import NO_SUM, Vocabulary

LAYOUTS = ("layers", "pattern", "interleave", "cycle")
NEMOTRON = "M*-"
"""Letters of Mamba, attention and FFN in published patterns: no block goes by one because of its name."""


@dataclass(frozen=True, slots=True)
class _Change:
    """What overrides change of a block: the keys, the last override, and the one that each key is from."""

    keys: dict[str, Any] = field(default_factory=dict)
    at: Path = ()
    places: dict[str, Path] = field(default_factory=dict)


class StackPlanner:
    """Plans one stack, reporting problems to the resolver. `types` is the vocabulary as it uses it.

    `name` is the path of the stack, `widths` the channels of the streams that its blocks may read; `readers` gives the
    number of blocks of the stack that reads its stream.
    """

    def __init__(
        self,
        resolver: Resolver,
        recipe: Recipe,
        stack: Stack,
        path: Path,
        name: str,
        widths: Mapping[str, int],
        readers: Callable[[], int] = int,
    ) -> None:
        self.resolver, self.recipe, self.stack, self.path = resolver, recipe, stack, path
        self.name, self.widths, self.readers = name, widths, readers
        self.types: dict[str, BlockType] = {}
        self.made: tuple[Layer, ...] = ()
        """What could be made of the layers, where something is wrong with others."""

    def layers(self, width: int) -> tuple[Layer, ...] | None:
        """The layers in order for an input of `width` channels; None after a problem was reported."""
        letters = self._symbols()
        placements = self._placements(letters)
        self.resolver.slot("norm", self.stack.norm, (*self.path, "norm"))
        if placements is None:
            return None
        used = [placement.block for placement in placements]

        def gain() -> float:
            return deepnorm.alpha(len(used), 0 if self._memories(used) else self.readers())

        vocabulary = Vocabulary(self.resolver, self.recipe, self.stack, self.path, self.widths, gain)
        known = self._check_known(dict.fromkeys(used))
        self._check_said(used)
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
            change = changes.get(index)
            made = vocabulary.block(name, width, change.keys, change.at) if change else base
            if made is None or base is None or letters is None:
                good = False
                continue
            width = made.out_width
            layers.append(Layer(f"{self.name}.{index}", made, placement.reason, letters[name], base))
        self.made = tuple(layers)
        if good:
            return lend(layers, self.stack.name, self.resolver)
        self._check_borrowed(used, changes)
        return None

    def reading(self, stream: str) -> int:
        """The number of blocks, if some of them read a stream; else 0."""
        used = [placement.block for placement in self._placements(self._symbols()) or ()]
        return len(used) if stream in self._memories(used) else 0

    def _memories(self, used: Sequence[str]) -> set[str]:
        """The streams that blocks of the stack read."""
        entries = self.recipe.blocks
        names = [name for name in dict.fromkeys(used) if name in entries]
        names += [branch for name in names for branch in entries[name].parallel or () if branch in entries]
        said = [entries[name].memory for name in names]
        said += [change.get("memory") for change in (self.stack.override or {}).values()]
        return {stream for stream in said if isinstance(stream, str)}

    def _check_said(self, used: Sequence[str]) -> None:
        """What the stack says and cannot mean, whatever its blocks say."""
        stack, path = self.stack, self.path
        entries = [self.recipe.blocks[name] for name in dict.fromkeys(used) if name in self.recipe.blocks]
        follows = any(entry.residual is None and entry.alpha is None for entry in entries)
        if stack.residual == "none" and stack.alpha not in (None, 1) and follows:
            self.resolver.report(
                "B0210",
                NO_SUM,
                (*path, "alpha"),
                related=(((*path, "residual"), "residual is set here"),),
                help="leave out alpha, or choose another residual",
            )
        if stack.name in used and stack.name in self.recipe.blocks:
            self.resolver.report(
                "B0206",
                f"a block cannot be called {stack.name!r} like its stack: {stack.name}[0] means the first block of all",
                ("blocks", stack.name),
                key=True,
                related=(((*path, "name"), "the stack is called so here"),),
                help="another name for the block, or name: of the stack",
            )

    def _check_borrowed(self, used: Sequence[str], changes: Mapping[int, _Change]) -> None:
        """Report what `kv_from` names and is not there, while some blocks cannot be made for other reasons."""
        wanted: dict[int, tuple[str, Path]] = {}
        for index, name in enumerate(used):
            entry = self.recipe.blocks.get(name)
            change = changes.get(index, _Change())
            own = entry.kv_from if entry is not None else None
            written = change.keys.get("kv_from", own)
            here = change.places.get("kv_from", ("blocks", name))
            if isinstance(written, str):
                wanted[index] = written, (*here, "kv_from")
        sources(wanted, used, self.stack.name, f"{self.name}.0", self.resolver)

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
                help=f"leave out all but one of {', '.join(ways)}"
                if ways
                else "depth: 12, cycle: [attention, ffn]",
            )
            return None
        depth = self.resolver.size(stack.depth, (*path, "depth")) if stack.depth is not None else None
        if stack.depth is not None and depth is None:
            return None
        if stack.depth is None and ways[0] in ("interleave", "cycle"):
            depth = self.resolver.sizes.depth
        for extra, needs in (("scatter", "interleave"), ("symbols", "pattern")):
            if getattr(stack, extra) is not None and ways[0] != needs:
                report(
                    "B0412",
                    f"{extra} belongs to {needs}, and this stack has {ways[0]}",
                    (*path, extra),
                    key=True,
                    related=(((*path, ways[0]), f"{ways[0]} is here"),),
                    help=f"leave out {extra}, or write {needs} in place of {ways[0]}",
                )
        if ways[0] == "pattern" and letters is None:
            return None
        try:
            found = list(self._lay_out(ways[0], depth, letters or {}))
            if not found:
                key = "depth" if depth == 0 and stack.depth is not None else ways[0]
                raise LayoutError("B0407", "a stack of no blocks", (key,), "leave the stack out")
            if depth is not None and len(found) != depth:
                message = f"{ways[0]} has {len(found)} blocks, depth says {depth}"
                help = f"leave out depth, or depth: {len(found)}"
                raise LayoutError(
                    "B0413", message, ("depth",), help, related=(((ways[0],), f"{len(found)} blocks"),)
                )
        except LayoutError as error:
            where = ("depth",) if error.path == ("depth",) and stack.depth is None else (*path, *error.path)
            related = tuple(
                (("depth",) if other == ("depth",) and stack.depth is None else (*path, *other), text)
                for other, text in error.related
            )
            report(error.code, error.message, where, help=error.help, within=error.within, related=related)
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
            if len(letter) != 1 or not letter.isprintable() or letter in " \"'\\":
                self.resolver.report(
                    "B0405",
                    f"{letter!r} is not one letter",
                    (*self.path, "symbols", letter),
                    key=True,
                    help="one letter for each block: symbols: {M: mamba2}",
                )
                good = False
            letters.setdefault(block, letter)
        taken = set(letters.values())
        spare = [chr(c) for c in (*range(ord("a"), ord("z") + 1), *range(0x3B1, 0x3C9))]
        for name, entry in self.recipe.blocks.items():
            if name not in letters:
                named = [c for c in (name[0].upper(), name[0].lower()) if c not in NEMOTRON]
                wanted = [self._mixer_symbol(entry.mixer), *named, *spare, "?"]
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
            if self.resolver.problems.full:
                return False
            if name not in blocks:
                good = False
                near = did_you_mean(name, blocks)
                place, within = self._place_of(name)
                self.resolver.report(
                    "B0410",
                    f"no block is called {name!r}",
                    place,
                    within=within,
                    help=f"did you mean {near!r}?" if near else f"blocks here: {', '.join(blocks) or 'none'}",
                )
        return good

    def _place_of(self, name: str) -> tuple[Path, tuple[int, int] | None]:
        """Where the stack names a block, and the characters of the text there."""
        stack, path = self.stack, self.path
        for way in ("interleave", "cycle", "layers"):
            found = _named(name, getattr(stack, way), (*path, way))
            if found is not None:
                return found
        if stack.scatter and name in stack.scatter:
            return (*path, "scatter", name), None
        for letter, block in (stack.symbols or {}).items():
            if block == name:
                return (*path, "symbols", letter), None
        return path, None

    # Overrides

    def _changes(self, used: list[str]) -> dict[int, _Change]:
        """Index -> what overrides change there. No two of them may give one key of one block different values."""
        changes: dict[int, _Change] = {}
        unchanged = _Change()
        for selector, change in (self.stack.override or {}).items():
            if not change:
                help = "leave it out, or say what is different there: {norm: layernorm}"
                place = (*self.path, "override", selector)
                self.resolver.report("B0421", f"the override of {selector} changes nothing", place, help=help)
            try:
                chosen = selectors.select(selector, used, self.stack.name)
            except LayoutError as error:
                self.resolver.report(
                    error.code, error.message, (*self.path, *error.path), key=True, help=error.help
                )
                continue
            at = (*self.path, "override", selector)
            merged: dict[tuple[int, str], _Change] = {}
            after: dict[int, _Change] = {}
            told: set[str] = set()
            for index in chosen:
                before, name = changes.get(index, unchanged), used[index]
                key = id(before), name  # thousands of blocks have had the same changes
                if key not in merged:
                    block = self.recipe.blocks.get(name)
                    keys = _merged(before.keys, change, block.mixer if block else None)
                    places = before.places | dict.fromkeys(change, at)
                    merged[key] = _Change(keys, at, places)
                    for option in change:
                        if (
                            option in before.keys
                            and before.keys[option] != change[option]
                            and option not in told
                        ):
                            told.add(option)
                            self._contradict(index, option, at, before.places[option])
                after[index] = merged[key]
            changes |= after
        return changes

    def _contradict(self, index: int, option: str, at: Path, before: Path) -> None:
        """Report two overrides that give an option of one block different values."""
        self.resolver.report(
            "B0420",
            f"{before[-1]} and {at[-1]} give {option} of {self.name}.{index} different values",
            (*at, option),
            related=(((*before, option), f"{before[-1]} says this"),),
            help="selectors that have no block in common, such as layers[0] and layers[1:]",
        )


def _merged(before: Mapping[str, Any], change: Mapping[str, Any], mixer: str | None) -> dict[str, Any]:
    """Both changes, the second one winning; another mixer, or several, resets the fields of the first one's."""
    current = None if "parallel" in before else before.get("mixer", mixer)
    if change.get("mixer", current) == current and "parallel" not in change:
        return {**before, **change}
    does = ("mixer", "parallel", "join")
    return {k: v for k, v in before.items() if k in STRUCTURE and k not in does} | dict(change)


def _named(name: str, written: Any, path: Path) -> tuple[Path, tuple[int, int]] | None:
    """Where a layout names a block: the path of a text, and the characters there."""
    if isinstance(written, str):
        found = re.search(rf"(?<![\w.+-]){re.escape(name)}(?![\w.+-])", written)
        return None if found is None else (path, found.span())
    items = enumerate(written) if isinstance(written, list) else ()
    places = (_named(name, item, (*path, index)) for index, item in items)
    return next((place for place in places if place is not None), None)
