"""Stacks: from the vocabulary, a layout and its overrides to the explicit list of layers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from blocks import layout, literal, selectors
from blocks.component import Mixer, Norm
from blocks.diagnostics import PluginError
from blocks.layout import LayoutError, Placement
from blocks.recipe import Recipe, Stack
from blocks.resolve import Resolver
from blocks.suggest import did_you_mean
from blocks.validation import Path

RESIDUALS = ("pre", "post", "none")
LAYOUTS = ("layers", "pattern", "interleave", "cycle")


@dataclass(frozen=True, eq=False, slots=True)
class BlockType:
    """A kind of block: `x + mixer(norm(x))` and its variants. Compared by identity."""

    name: str
    mixer: Mixer
    norm: Norm | None
    residual: str
    origin: Path

    def parameters(self, d_model: int) -> int:
        """Parameters of one such block, its norm included."""
        norm = self.norm.cost().parameters(d_model) if self.norm else 0
        return self.mixer.cost().parameters(d_model) + norm


@dataclass(frozen=True, eq=False, slots=True)
class Layer:
    """One block in its place: `layers.3`."""

    path: str
    type: BlockType
    reason: str
    symbol: str


class StackPlanner:
    """Plans one stack, reporting problems to the resolver. `types` is the vocabulary as it reads it."""

    def __init__(self, resolver: Resolver, recipe: Recipe, stack: Stack, path: Path) -> None:
        self.resolver, self.recipe, self.stack, self.path = resolver, recipe, stack, path
        self.types: dict[str, BlockType] = {}

    def layers(self) -> tuple[Layer, ...] | None:
        """The layers in order; None after a problem was reported."""
        for name in self.recipe.blocks:
            made = self._block(name, {}, ("blocks", name))
            if made is not None:
                self.types[name] = made
        letters = self._symbols()
        placements = self._placements(letters)
        if placements is None:
            return None
        used = [placement.block for placement in placements]
        self._check_known(dict.fromkeys(used))
        placed = [self.types.get(name) for name in used]
        for index, made in self._overridden(used).items():
            placed[index] = made
        if letters is None or not all(placed):
            return None
        return tuple(
            Layer(f"{self.stack.name}.{i}", made, placement.reason, letters[placement.block])
            for i, (made, placement) in enumerate(zip(placed, placements, strict=True))
            if made is not None
        )

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

    def _mixer_symbol(self, mixer: str) -> str:
        try:
            symbol: str = self.resolver.registry.find("mixer", mixer).load().symbol
        except PluginError:
            return ""
        return symbol

    def _check_known(self, used: Iterable[str]) -> None:
        blocks = self.recipe.blocks
        for name in used:
            if name not in blocks:
                near = did_you_mean(name, blocks)
                self.resolver.report(
                    "B0410",
                    f"no block is called {name!r}",
                    self._place_of(name),
                    help=f"did you mean {near!r}?" if near else f"blocks here: {', '.join(blocks) or 'none'}",
                )

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

    # Blocks and overrides

    def _block(self, name: str, change: Mapping[str, Any], at: Path) -> BlockType | None:
        """The type of a block with `change` of its keys; the change, or else the block, stands at `at`."""
        block, stack, resolver = self.recipe.blocks[name], self.stack, self.resolver
        mixer = change.get("mixer", block.mixer)
        options = block.options if mixer == block.mixer else {}
        options |= {k: v for k, v in change.items() if k not in ("mixer", "norm", "residual")}
        before = len(resolver.problems)
        residual = change.get("residual", block.residual or stack.residual)
        if residual not in RESIDUALS:
            near = did_you_mean(str(residual), RESIDUALS)
            resolver.report(
                "B0205",
                f"{residual!r} is not one of {', '.join(RESIDUALS)}",
                (*at, "residual"),
                help=f"did you mean {near!r}?" if near else None,
            )
        if "norm" in change:
            slot, norm_at = change["norm"], (*at, "norm")
        elif block.norm is not None:
            slot, norm_at = block.norm, ("blocks", name, "norm")
        else:
            slot, norm_at = stack.norm, (*self.path, "norm")
        norm = resolver.slot("norm", slot, norm_at)
        if not isinstance(mixer, str):
            resolver.report("B0203", "a mixer is a registered name", (*at, "mixer"))
            return None
        made = resolver.component("mixer", mixer, options, at, (*at, "mixer"))
        if len(resolver.problems) > before or made is None:
            return None
        assert isinstance(made, Mixer)
        assert norm is None or isinstance(norm, Norm)
        return BlockType(name, made, norm, residual, at)

    def _overridden(self, used: list[str]) -> dict[int, BlockType | None]:
        """Index -> type of the layers that overrides change. Later overrides win, key by key."""
        changes: dict[int, dict[str, Any]] = {}
        last: dict[int, Path] = {}
        for selector, change in (self.stack.override or {}).items():
            try:
                chosen = selectors.select(selector, used, self.stack.name)
            except LayoutError as error:
                self.resolver.report(
                    error.code, error.message, (*self.path, *error.path), key=True, help=error.help
                )
                continue
            for index in chosen:
                block = self.recipe.blocks.get(used[index])
                if block is not None:
                    changes[index] = _merged(changes.get(index, {}), change, block.mixer)
                    last[index] = (*self.path, "override", selector)
        made: dict[tuple[str, str], BlockType | None] = {}
        for index, at in last.items():
            key = (used[index], repr(sorted(changes[index].items(), key=repr)))
            if key not in made:
                made[key] = self._block(used[index], changes[index], at)
        return {index: made[used[index], repr(sorted(changes[index].items(), key=repr))] for index in last}


def _merged(before: Mapping[str, Any], change: Mapping[str, Any], mixer: str) -> dict[str, Any]:
    """Both changes, the second one winning; another mixer resets the fields of the first one's."""
    current = before.get("mixer", mixer)
    if change.get("mixer", current) == current:
        return {**before, **change}
    return {k: v for k, v in before.items() if k in ("norm", "residual")} | dict(change)
