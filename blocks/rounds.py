"""The blocks of a sentence in their order: what one layer is made of, and after how many layers all repeats."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import lcm

from blocks.clauses import Reading
from blocks.entries import Entries, Use
from blocks.said import Range, Said

MAX_ROUND = 1000


@dataclass(frozen=True, slots=True)
class Element:
    """One block of a layer: `members` in parallel if more than one; `others` in the layers that `part` leaves."""

    members: tuple[Said, ...]
    range: Range
    part: tuple[int, int] | None = None
    others: Said | None = None

    def at(self, layer: int) -> tuple[Said, ...]:
        """What stands here in a layer, counted from 0."""
        if self.part is None or self.others is None:
            return self.members
        some, whole = self.part
        here = layer % whole == whole - 1 if some < 0 else layer % whole < some
        return self.members if here else (self.others,)


def elements(reading: Reading, entries: Entries) -> list[Element] | None:
    """The blocks of a layer, in order; None after a problem was reported."""
    before = len(reading.resolver.problems)
    found: list[Element] = []
    whole = "parallel" in reading.settled and not reading.groups
    for said in reading.turns:
        said.cross = said.cross or entries.needs_memory(said)
        joins = said.group is not None or whole
        if joins and found and found[-1].members[0].group == said.group and found[-1].part is None:
            last = found[-1]
            found[-1] = replace(last, members=(*last.members, said), range=_around(last.range, said.range))
        elif said.rest:
            _fill(reading, found, said)
        else:
            _check_part(reading, said)
            found.append(Element((said,), said.range, said.part))
    for index, element in enumerate(found):
        group = element.members[0].group
        if group is not None:
            found[index] = replace(element, range=reading.groups[group])
    if whole and found and len(found[0].members) < 2:
        wish = reading.settled["parallel"].range
        text = reading.slice(wish)
        reading.report(
            "B0510", f"{text!r} needs two blocks, here is one", wish, "attention and FFN in parallel"
        )
    for index, element in enumerate(found):
        if element.part is not None and element.others is None:
            others = entries.unwindowed(element.members[0])
            if others is None:
                place = element.members[0].part_range
                reading.report(
                    "B0506", f"what stands in the layers besides {reading.slice(place)!r} is not said", place,
                    "attention in 1 of 8 layers and Mamba-2 in the others",
                )  # fmt: skip
            found[index] = replace(element, others=others)
    if round_length(found) > MAX_ROUND:
        reading.report(
            "B0506", f"the layers repeat after {round_length(found)} only", reading.turns_range, None
        )
    return found if len(reading.resolver.problems) == before else None


def round_length(found: list[Element]) -> int:
    """After how many layers all repeats."""
    return lcm(*(element.part[1] for element in found if element.part is not None))


def streams(found: list[Element], entries: Entries, use: Use) -> list[tuple[str, Range]]:
    """Names of the blocks of one round, with what they come from; reading a memory where `use` has one."""
    names: list[tuple[str, Range]] = []
    crosses = any(said.cross for element in found for said in element.members)
    for layer in range(round_length(found)):
        for element in found:
            members = element.at(layer)
            if members[0].cross and not use.memory:
                continue
            name = (
                entries.enter_group(members, element.range, use)
                if len(members) > 1
                else entries.enter(members[0], use)
            )
            names.append((name, element.range))
            if use.memory and not crosses and len(members) == 1 and entries.reads_others(members[0]):
                names.append((entries.enter(entries.for_memory(members[0]), use), element.range))
    return names


def _check_part(reading: Reading, said: Said) -> None:
    if said.part is None:
        return
    some, whole = said.part
    if not (some == -1 or 0 < some < whole) or not 1 < whole <= MAX_ROUND:
        reading.report(
            "B0506", f"{reading.slice(said.part_range)!r} is not a part of the layers", said.part_range,
            "in 3 of 4 layers, in every 4th layer",
        )  # fmt: skip


def _fill(reading: Reading, found: list[Element], said: Said) -> None:
    if not found or found[-1].part is None or found[-1].others is not None:
        reading.report(
            "B0506", f"{reading.slice(said.part_range)!r}: no block before this leaves layers", said.part_range,
            "attention in 1 of 8 layers and Mamba-2 in the others",
        )  # fmt: skip
        return
    last = found[-1]
    found[-1] = replace(last, others=said, range=_around(last.range, said.range))


def _around(first: Range, second: Range) -> Range:
    return min(first[0], second[0]), max(first[1], second[1])
