"""What a sentence leaves unsaid: the blocks of a preset, the noun of an attention, the head that takes an option."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.phrases import PRESETS, words_of
from blocks.said import Said

if TYPE_CHECKING:
    from blocks.clauses import Reading


def head_option(reading: Reading) -> None:
    """`logit softcap 30` is an option of the head that a sentence ends in, said or not."""
    form = reading.settled.get("form")
    if "head" in reading.settled or (form is not None and form.meaning.value == "encoder"):
        return
    meaning = reading.book.meaning("lm head")
    if meaning is None or meaning.component is None:
        return
    found = [*reading.turns, *reading.scattered, *reading.settled.values()]
    for option in reading.wide:
        said = Said(meaning, option.range, {})
        if not reading.takers(option, found) and reading.takers(option, [said]):
            reading.settled["head"] = said
            return


def elided(reading: Reading) -> None:
    """`sliding window 128` where no block takes a window: the attention of that name."""
    for option in list(reading.wide):
        if not reading.turns or reading.takers(option, [*reading.turns, *reading.scattered]):
            continue
        said = reading.elided(option)
        if said is not None:
            reading.wide.remove(option)
            after = [index for index, turn in enumerate(reading.turns) if turn.range > said.range]
            reading.turns.insert(after[0] if after else len(reading.turns), said)


def usual(reading: Reading, preset: Said) -> None:
    """Add the usual blocks of `Transformer` for which the sentence names no other of their family."""
    parts: list[Said] = []
    for phrase in PRESETS[str(preset.meaning.value)]:
        words = words_of(phrase)
        found = reading.book.match(words, 0)
        if found is None:
            reading.report(
                "B0501",
                f"{reading.slice(preset.range)!r} needs {phrase}, which no plugin has",
                preset.range,
                None,
            )
            return
        parts.append(Said(found[0], preset.range, dict(found[0].options)))
    order = [reading.family_of(said) for said in parts]
    kinds = [reading.family_of(turn) for turn in reading.turns]
    if reading.turns and not set(kinds) & set(order) and not reading.groups:
        reading.two_turns(preset.range)
        return
    missing = [said for said in parts if reading.family_of(said) not in kinds]
    if not reading.groups and set(kinds) <= set(order) and not any(turn.part for turn in reading.turns):
        reading.turns = sorted(
            [*reading.turns, *missing], key=lambda said: order.index(reading.family_of(said))
        )
    else:
        reading.turns += missing
    reading.turns_range = reading.turns_range or preset.range
