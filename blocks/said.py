"""What a sentence was found to say, before anything is made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from blocks.phrases import Meaning

Range = tuple[int, int]
"""Characters of the sentence: from, up to."""

DEFAULT = object()
"""The value of an option that is a slot and was named alone, `QK-norm`: whatever the model has for such slots."""


@dataclass(slots=True)
class Said:
    """A component as the sentence has it; `places` says where its options stand."""

    meaning: Meaning
    range: Range
    options: dict[str, Any]
    places: dict[str, Range] = field(default_factory=dict)
    share: int | str | None = None
    part: tuple[int, int] | None = None
    """In so many of so many layers."""
    part_range: Range = (0, 0)
    rest: bool = False
    """In the layers that the block before leaves."""
    cross: bool = False
    """It reads the encoder."""
    shared: Range | None = None
    """All uses have one set of parameters."""
    group: int | None = None
    """The parallel group that it belongs to."""

    def same(self, other: Said) -> bool:
        """Whether both say the same."""
        return (self.meaning.kind, self.meaning.value, self.options) == (
            other.meaning.kind, other.meaning.value, other.options,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Count:
    """How deep: one number, or two of an encoder and a decoder."""

    numbers: tuple[int, ...]
    unit: str
    """layers or blocks."""
    range: Range


@dataclass(frozen=True, slots=True)
class Size:
    """A size of the recipe that the sentence gives: d_model, vocab_size."""

    name: str
    value: int
    range: Range
