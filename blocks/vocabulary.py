"""From an entry of the vocabulary to a kind of block: mixers, norms and factors, looked up, checked and bound."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

from pydantic import ValidationError

from blocks.blocktype import BlockType, Branch
from blocks.component import Mixer, Norm, Sizes
from blocks.mixers import Mixers
from blocks.names import is_reserved
from blocks.recipe import STRUCTURE, Block, Recipe, Stack
from blocks.resolve import Resolver
from blocks.suggest import did_you_mean
from blocks.validation import Path, report_validation

NO_SUM = "alpha is a factor of the stream in the sum, and with residual: none there is no sum"

_PARTS = {
    "adapted", "adapter", "add", "alpha", "h", "join", "kv", "layer_scale", "mask", "mixer", "norm", "old",
    "out_norm", "scale", "self", "state", "super", "torch", "x", "y",
}  # fmt: skip
"""Names that a block's class has for other things than its branches."""
_PART_OF = re.compile(r".*_(norm|scale|state|memory)")
"""Names that it may have for what belongs to a branch."""
_ALONE = ("residual", "alpha", "share", "adapter", "kv_from")
"""Keys of a block that say nothing about it as a branch of another."""


class Vocabulary:
    """Makes the blocks of one recipe as one stack has them, reporting problems to the resolver.

    `widths` gives the channels of the streams that a block may read as memory, `deepnorm` the gain of that name.
    `alone`: the stack is none that a recipe has, and what it says contradicts nothing.
    """

    def __init__(
        self,
        resolver: Resolver,
        recipe: Recipe,
        stack: Stack,
        path: Path,
        widths: Mapping[str, int],
        deepnorm: Callable[[], float],
        *,
        alone: bool = False,
    ) -> None:
        self.resolver, self.recipe, self.stack, self.path = resolver, recipe, stack, path
        self.deepnorm, self.alone = deepnorm, alone
        self.mixers = Mixers(resolver, recipe, path, widths)
        self._made: dict[tuple[str, str, int], BlockType | None] = {}
        self._kinds: dict[tuple[str, ...], BlockType] = {}

    def block(
        self, name: str, width: int, change: Mapping[str, Any] | None = None, at: Path | None = None
    ) -> BlockType | None:
        """The kind of block of an entry for an input of `width` channels; None after a problem was reported.

        `change` holds the keys that an override at `at` sets; another mixer resets the options of the first.
        """
        key = (name, repr(sorted((change or {}).items(), key=repr)), width)
        if key not in self._made:
            before = self.resolver.reports
            made = _Maker(self, name, dict(change or {}), at or ("blocks", name), width).make()
            if made is not None:
                made = self._kinds.setdefault(_likeness(made), made)
            self._made[key] = made if self.resolver.reports == before else None
        return self._made[key]


class _Maker:
    """Makes one kind of block: finds each key in the override, the entry or the stack, and where it is written."""

    def __init__(self, owner: Vocabulary, name: str, change: dict[str, Any], at: Path, width: int) -> None:
        self.owner, self.resolver, self.recipe = owner, owner.resolver, owner.recipe
        self.name, self.change, self.at, self.width = name, change, at, width
        self.entry: Block = owner.recipe.blocks[name]

    def make(self) -> BlockType | None:
        block = self._changed()
        if block is None:
            return None
        said_norm = norm = self._norm("norm", self.width)
        branches = self._branches(block)
        if branches is None:
            return None
        out = self._joined(block, branches)
        if out is None:
            return None
        residual = block.residual or self.owner.stack.residual
        if residual != "post" and all(branch.norm is not None or branch.unnormed for branch in branches):
            norm = None
        out_norm = self._norm("out_norm", out) if self._found("out_norm")[0] is not None else None
        if residual == "sandwich" and self._found("out_norm")[0] is None:
            out_norm = self._norm("norm", out)
        if residual != "none" and out != self.width:
            self.resolver.report(
                "B0317",
                f"{self.name} gives {out} channels, and the stream that it is added to has {self.width}",
                (*self.at, "mixer" if block.mixer else "parallel"),
                label=f"{self.width} channels in, {out} out",
                help="residual: none, or sizes that keep the width",
            )
        self._check_residual(residual)
        adapter = self._adapter(block)
        return BlockType(
            self.name,
            branches,
            norm,
            residual,
            self.at,
            self.width,
            out,
            out_norm,
            self._gain("scale", 1.0),
            self._gain("layer_scale", None),
            self._gain("alpha", 1.0),
            (block.join or "sum") if block.parallel else "",
            adapter,
            self.name if block.share is True else block.share or None,
            block.kv_from,
            said_norm,
        )

    # The entry

    def _changed(self) -> Block | None:
        """The entry with the change applied, and one way of saying what it does."""
        entry = self.entry
        given = {key: getattr(entry, key) for key in STRUCTURE if key in entry.model_fields_set}
        if "mixer" in self.change or "parallel" in self.change:
            given = {key: value for key, value in given.items() if key not in ("mixer", "parallel", "join")}
        if self.change.get("mixer", entry.mixer) == entry.mixer and "parallel" not in self.change:
            given |= entry.options
        given |= self.change
        try:
            block = Block.model_validate(given)
        except ValidationError as error:
            report_validation(error, given, Block, self.at, self.resolver.report)
            return None
        if (block.mixer is None) == (block.parallel is None):
            meant = None if block.mixer else _meant(block.options)
            has = "a mixer and parallel blocks" if block.mixer else "neither a mixer nor parallel blocks"
            key = "parallel" if block.mixer else meant[0] if meant else None
            self.resolver.report(
                "B0209",
                f"{self.name!r} has {has}",
                (*self.at, key) if key else self.at,
                key=True,
                related=(((*self.at, "mixer"), "the mixer is here"),) if block.mixer else (),
                help=f"did you mean {meant[1]!r}?"
                if meant
                else "a block has one mixer, or several blocks in parallel: [attention, ffn]",
            )
            return None
        if block.parallel is None and block.join is not None:
            message = "join is how parallel outputs become one, and there is one mixer"
            self._contradiction(
                "join", "mixer", message, help="leave out join, or name branches: parallel: [a, b]"
            )
        if block.parallel is not None and block.options:
            known = next(iter(block.options))
            near = did_you_mean(known, STRUCTURE)
            self.resolver.report(
                "B0201",
                f"unknown key {known!r}",
                (*self.at, known),
                key=True,
                help=f"did you mean {near!r}?"
                if near
                else "options belong to the blocks that run in parallel",
            )
        if block.adapter is not None and not block.share:
            message = "an adapter stands beside a shared mixer, and this one is not shared"
            self._contradiction("adapter", "mixer", message, help="add share: true, or leave out adapter")
        return block

    def _contradiction(
        self, key: str, other: str, message: str, help: str | None = None, code: str = "B0210"
    ) -> None:
        self.resolver.report(
            code, f"{self.name}: {message}", (*self.at, key), key=True,
            related=(((*self.at, other), f"{other} is here"),), help=help,
        )  # fmt: skip

    def _check_residual(self, residual: str) -> None:
        """Whether what the block itself says goes with its residual; the stack answers for what it says."""
        (_, at), (norm, norm_at), (_, there) = map(self._found, ("alpha", "norm", "residual"))
        related = ((there, "residual is set here"),)
        if (
            residual == "none"
            and (self._is_own("residual") or not self.owner.alone)
            and self._is_own("alpha")
            and self._gain("alpha", 1.0) != 1
        ):
            self.resolver.report(
                "B0210", f"{self.name}: {NO_SUM}", at, related=related,
                help="leave out alpha, or choose another residual",
            )  # fmt: skip
        if residual == "post" and norm == "none" and self._is_own("norm") and self._is_own("residual"):
            self.resolver.report(
                "B0210",
                f"{self.name}: residual: post says where the norm stands, and norm: none that there is none",
                norm_at,
                related=related,
                help="residual: pre with norm: none computes x + mixer(x)",
            )

    def _is_own(self, key: str) -> bool:
        """Whether the override or the entry says a key, and not the stack alone."""
        return key in self.change or getattr(self.entry, key) is not None

    def _found(self, key: str) -> tuple[Any, Path]:
        """A key of what stands around the mixer, and where it is written."""
        if key in self.change:
            return self.change[key], (*self.at, key)
        own = getattr(self.entry, key)
        if own is not None:
            return own, ("blocks", self.name, key)
        return getattr(self.owner.stack, key), (*self.owner.path, key)

    # Branches

    def _branches(self, block: Block) -> tuple[Branch, ...] | None:
        if block.mixer is not None:
            both = block.kv_from is not None and block.memory is not None
            borrows = block.kv_from is not None and not both
            mixer = self.owner.mixers.make(block, self.at, self._sizes(self.width), borrows=borrows)
            if both and mixer is not None:
                message = "keys and values come from the memory, or from another block"
                self._contradiction(
                    "kv_from", "memory", message, help="leave out one of the two", code="B0333"
                )
                return None
            return (Branch("mixer", mixer, memory=block.memory),) if mixer is not None else None
        assert block.parallel is not None
        if block.memory is not None or block.kv_from is not None:
            key = "memory" if block.memory is not None else "kv_from"
            message = f"{key} belongs to the blocks that run in parallel"
            self._contradiction(key, "parallel", message, help=f"say {key} in the entry of a branch")
        names: list[str] = []
        found: list[Branch | None] = []
        for index, name in enumerate(block.parallel):
            branch = self._branch(name, (*self.at, "parallel", index))
            base, count = _attribute(name, self.recipe.streams), 1
            attribute = base
            while attribute in names:
                count += 1
                attribute = f"{base}_{count}"
            names.append(attribute)
            found.append(branch and replace(branch, name=attribute))
        branches = [branch for branch in found if branch is not None]
        return tuple(branches) if len(branches) == len(found) else None

    def _branch(self, name: str, named_at: Path) -> Branch | None:
        entries = self.recipe.blocks
        if name not in entries:
            near = did_you_mean(name, entries)
            known = ", ".join(entries)
            help = f"did you mean {near!r}?" if near else f"blocks here: {known}"
            self.resolver.report("B0410", f"no block is called {name!r}", named_at, help=help)
            return None
        entry, here = entries[name], ("blocks", name)
        if entry.mixer is None:
            self.resolver.report(
                "B0415",
                f"{name} runs blocks in parallel itself, and cannot be a branch of {self.name}",
                named_at,
                related=(((*here, "parallel"), f"{name} is parallel here"),),
                help="name the blocks that it runs",
            )
            return None
        for key in _ALONE:
            if getattr(entry, key) is not None:
                self.resolver.report(
                    "B0210",
                    f"{name} is a branch of {self.name}, where {key} says nothing",
                    (*here, key),
                    key=True,
                    related=((named_at, "it is a branch here"),),
                    help=f"say it of {self.name}, or of another block",
                )
        mixer = self.owner.mixers.make(entry, here, self._sizes(self.width), borrows=False)
        if mixer is None:
            return None
        gains = {
            key: self._factor(key, getattr(entry, key), (*here, key)) for key in ("scale", "layer_scale")
        }
        norms: dict[str, Norm | None] = {}
        for key, width in (("norm", self.width), ("out_norm", mixer.out_width(self.width))):
            slot = getattr(entry, key)
            made = (
                None if slot is None else self.resolver.slot("norm", slot, (*here, key), self._sizes(width))
            )
            assert made is None or isinstance(made, Norm)
            norms[key] = made
        scale = 1.0 if gains["scale"] is None else gains["scale"]
        return Branch(
            name,
            mixer,
            norms["norm"],
            norms["out_norm"],
            scale,
            gains["layer_scale"],
            entry.memory,
            name,
            unnormed=entry.norm is not None and norms["norm"] is None,
        )

    def _sizes(self, width: int) -> Sizes:
        return replace(self.resolver.sizes, d_model=width)

    def _joined(self, block: Block, branches: tuple[Branch, ...]) -> int | None:
        """Channels of the output of all branches together."""
        widths = [branch.mixer.out_width(self.width) for branch in branches]
        if block.join == "concat":
            return self.width
        other = next((index for index, width in enumerate(widths) if width != widths[0]), None)
        if other is not None:
            self.resolver.report(
                "B0317",
                f"{branches[0].name} gives {widths[0]} channels and {branches[other].name} {widths[other]}: "
                f"their {block.join or 'sum'} cannot be taken",
                (*self.at, "parallel", other),
                related=(((*self.at, "parallel", 0), f"{widths[0]} channels"),),
                help="join: concat",
            )
            return None
        return widths[0]

    # Around

    def _norm(self, key: str, width: int) -> Norm | None:
        slot, at = self._found(key)
        made = self.resolver.slot("norm", slot, at, self._sizes(width))
        assert made is None or isinstance(made, Norm)
        return made

    def _gain(self, key: str, default: Any) -> Any:
        value, at = self._found(key)
        if value is None:
            return default
        if key == "alpha" and value == "deepnorm":
            return self.owner.deepnorm()
        if key == "alpha" and did_you_mean(str(value), ("deepnorm",)):
            self.resolver.report("B0315", f"unknown name {value!r}", at, help="did you mean 'deepnorm'?")
            return default
        return self._factor(key, value, at)

    def _factor(self, key: str, value: Any, at: Path) -> float | None:
        number = None if value is None else self.resolver.number(value, at)
        if number is not None:
            wrong = _odd(key, number)
            if wrong is not None:
                self.resolver.report("B0302", wrong[0], at, help=wrong[1])
        return number

    def _adapter(self, block: Block) -> Mixer | None:
        if block.adapter is None:
            return None
        at = (*self.at, "adapter")
        made = self.resolver.slot("mixer", block.adapter, at, self._sizes(self.width))
        if made is None:
            return None
        assert isinstance(made, Mixer)
        cost = made.cost()
        if any((cost.state, cost.state_fp32, cost.state_int64)) or made.out_width(self.width) != self.width:
            self.resolver.report(
                "B0416",
                f"{made.name} cannot be an adapter: it keeps a state, or changes the width",
                at,
                help="such as {low_rank: {rank: 8}}",
            )
        return made


def _odd(key: str, number: float) -> tuple[str, str] | None:
    """What is wrong with a factor that can be computed with, and what helps."""
    if key == "scale" and number == 0:
        return "scale: 0 leaves nothing of what the block computes", "leave the block out, or another factor"
    if key == "layer_scale" and number < 0:
        return (
            f"layer_scale starts at {number:g}: the gains of LayerScale start at 0 or above",
            "layer_scale: 1e-5",
        )
    if key == "alpha" and number <= 0:
        return (
            f"alpha is {number:g}: a gain of the stream is above 0",
            "residual: none leaves the stream out of the sum",
        )
    return None


def _likeness(block: BlockType) -> tuple[str, ...]:
    """What is the same for two kinds of block if an override changed nothing."""
    whole = (getattr(block, each.name) for each in fields(block) if each.name not in ("branches", "origin"))
    named = (f"{branch.mixer.name} {branch}" for branch in block.branches)
    return *map(repr, whole), *named


def _meant(options: Iterable[str]) -> tuple[str, str] | None:
    """A key that was written, and the one that was probably meant to say what the block does."""
    found = ((key, did_you_mean(key, ("mixer", "parallel"))) for key in options)
    return next(((key, near) for key, near in found if near), None)


def _attribute(name: str, streams: Collection[str]) -> str:
    """The attribute that holds a branch: its name, made a Python name that nothing else has."""
    text = re.sub(r"\W", "_", name, flags=re.ASCII)
    taken = text in _PARTS or text in streams or is_reserved(text) or _PART_OF.fullmatch(text)
    if text[:1].isdigit() or text.startswith("_"):  # nn.Module has its own names that begin so
        return f"branch_{text}"
    return f"{text}_branch" if taken else text
