"""Whether two plans are the same model: stage by stage and block by block, whatever the blocks are called.

They say the same (`same_plan`) where every option is the same; they make the same (`same_modules`) where every
module is, whichever of two declarations it comes from: `multi_head` with 8 key/value heads, or `grouped_query`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from blocks.blocktype import BlockType, Branch
from blocks.component import Component, Head
from blocks.plan import Plan
from blocks.tokenizer import Tokenizer

_NAMES = {
    "base",
    "entry",
    "said_norm",
    "name",
    "origin",
    "reason",
    "symbol",
    "vocabulary",
    "share",
    "kv_from",
}
"""What says where a part comes from, and not what it is: sharing and lending are compared by path."""


Alike = Callable[[Component, Component], bool]


def same_plan(one: Plan, other: Plan) -> bool:
    """Whether both have the same sizes, stages and blocks, with all their options, at the same paths."""
    if _declared(one.tokenizer) != _declared(other.tokenizer):
        return False
    return _Comparison(_same_options, paths=False).plans(one, other)


def same_modules(one: Plan, other: Plan) -> bool:
    """Whether both make the same modules at the same paths, tied and shared alike: their weights fit each other."""
    return one.shares == other.shares and _Comparison(_same_calls, paths=True).plans(one, other)


def _declared(tokenizer: Tokenizer | None) -> tuple[type[Tokenizer], Mapping[str, Any]] | None:
    """What a recipe says of its tokenizer, wherever its files were found."""
    return (type(tokenizer), tokenizer.model_dump()) if tokenizer is not None else None


def _same_options(one: Component, other: Component) -> bool:
    return type(one) is type(other) and bool(one == other)


def _same_calls(one: Component, other: Component) -> bool:
    if one.kind != other.kind or (
        isinstance(one, Head) and isinstance(other, Head) and one.ties() != other.ties()
    ):
        return False
    return one.call(64) == other.call(64)  # bound: the width is passed on, and decides nothing


class _Comparison:
    """Compares plans, components by `alike`; remembers which kinds of block are the same.

    `paths` says whether branches in parallel, whose names begin the paths of their parameters, go by the same name.
    """

    def __init__(self, alike: Alike, *, paths: bool) -> None:
        self.alike, self.paths = alike, paths
        self.known: dict[tuple[BlockType, BlockType], bool] = {}

    def plans(self, one: Plan, other: Plan) -> bool:
        sizes = (one.sizes.d_model, one.sizes.vocab_size) == (other.sizes.d_model, other.sizes.vocab_size)
        if not sizes or len(one.streams) != len(other.streams):
            return False
        streams = zip(one.streams, other.streams, strict=True)
        return all(a.name == b.name and self.same(a.stages, b.stages) for a, b in streams)

    def same(self, one: Any, other: Any) -> bool:
        if isinstance(one, BlockType) and isinstance(other, BlockType):
            if (one, other) not in self.known:
                self.known[one, other] = self.fields(one, other)
            return self.known[one, other]
        if isinstance(one, Component) and isinstance(other, Component):
            return self.alike(one, other)
        if isinstance(one, tuple) and isinstance(other, tuple):
            return len(one) == len(other) and all(self.same(a, b) for a, b in zip(one, other, strict=True))
        if self.paths and isinstance(one, Branch) and isinstance(other, Branch) and one.name != other.name:
            return False
        if is_dataclass(one) and type(one) is type(other):
            return self.fields(one, other)
        if isinstance(one, Mapping):
            return bool(one == other)
        return type(one) is type(other) and bool(one == other)

    def fields(self, one: Any, other: Any) -> bool:
        return all(
            self.same(getattr(one, field.name), getattr(other, field.name))
            for field in fields(one)
            if field.name not in _NAMES
        )
