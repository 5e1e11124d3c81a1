"""Whether two plans are the same model: stage by stage and block by block, whatever the blocks are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from blocks.blocktype import BlockType
from blocks.plan import Plan

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


def same_plan(one: Plan, other: Plan) -> bool:
    """Whether both have the same sizes, stages and blocks, with all their options, at the same paths."""
    if (one.sizes.d_model, one.sizes.vocab_size) != (other.sizes.d_model, other.sizes.vocab_size):
        return False
    if len(one.streams) != len(other.streams) or one.tokenizer != other.tokenizer:
        return False
    known: dict[tuple[BlockType, BlockType], bool] = {}
    return all(
        a.name == b.name and _same(a.stages, b.stages, known)
        for a, b in zip(one.streams, other.streams, strict=True)
    )


def _same(one: Any, other: Any, known: dict[tuple[BlockType, BlockType], bool]) -> bool:
    if isinstance(one, BlockType) and isinstance(other, BlockType):
        if (one, other) not in known:
            known[one, other] = _same_fields(one, other, known)
        return known[one, other]
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(_same(a, b, known) for a, b in zip(one, other, strict=True))
    if is_dataclass(one) and type(one) is type(other):
        return _same_fields(one, other, known)
    if isinstance(one, Mapping):
        return bool(one == other)
    return type(one) is type(other) and bool(one == other)


def _same_fields(one: Any, other: Any, known: dict[tuple[BlockType, BlockType], bool]) -> bool:
    return all(
        _same(getattr(one, field.name), getattr(other, field.name), known)
        for field in fields(one)
        if field.name not in _NAMES
    )
