"""Whether the clauses of a sentence agree: those that contradict others, or that nothing in the model can follow."""

from __future__ import annotations

from collections.abc import Sequence

from blocks.clauses import Reading
from blocks.entries import Entries
from blocks.fields import family
from blocks.recipe import Recipe
from blocks.rounds import Element
from blocks.said import Said

Layer = Sequence[Element]


def clauses_agree(reading: Reading, layer: Layer, written: Recipe) -> None:
    """Report clauses that others leave nothing to do."""
    join, norm, residual = (reading.settled.get(kind) for kind in ("join", "norm", "residual"))
    if join is not None and not any(len(element.members) > 1 for element in layer):
        text = reading.slice(join.range)
        reading.report("B0510", f"{text!r}, and nothing runs in parallel", join.range,
                         f"parallel attention and FFN, {text}")  # fmt: skip
    own = any(block.norm is not None for block in written.blocks.values())
    if norm is None or norm.meaning.value is not None or residual is None or own:
        return
    if residual.meaning.value != "none":
        text = reading.slice(residual.range)
        reading.report(
            "B0502", f"{reading.slice(norm.range)!r} leaves no norm to place as {text!r} says", norm.range,
            "leave one of them out", (residual.range, "asked for here"),
        )  # fmt: skip


def no_cross(reading: Reading, layer: Layer) -> bool:
    """Whether no block reads an encoder; reports those that do."""
    before = len(reading.resolver.problems)
    for said in [member for element in layer for member in element.members] + reading.scattered:
        if said.cross:
            text = reading.slice(said.range)
            reading.report("B0511", f"{text!r} reads an encoder, and there is none", said.range,
                             "encoder-decoder, 6 + 6 layers, ...")  # fmt: skip
    return len(reading.resolver.problems) == before


def alone(reading: Reading, layer: Layer, entries: Entries, cross: Said) -> bool:
    """Whether no other block looks at other tokens than its own; reports it."""
    others = [
        said
        for element in layer
        for said in (*element.members, *((element.others,) if element.others is not None else ()))
        if not said.cross
    ]
    classes = [entries.mixer_of(said) for said in others]
    if any(cls is None or family(cls) != "feed-forward" for cls in classes):
        return False
    text = reading.slice(cross.range)
    reading.report(
        "B0507", f"besides {text!r} no block looks at other tokens of its own stream", cross.range,
        f"add one: attention, {text}, ...", (reading.settled["form"].range, "two streams"),
    )  # fmt: skip
    return True
