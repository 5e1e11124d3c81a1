"""Wording: a component with its options in words that a sentence reads again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from blocks.component import Component, Sizes
from blocks.fields import (
    adjectives,
    choices,
    field_named,
    instance,
    is_number,
    is_switch,
    position_field,
    slot_kind,
    spoken,
)
from blocks.phrases import Phrasebook


def phrase_of(
    component: Component,
    sizes: Sizes,
    book: Phrasebook,
    without: Sequence[str] = (),
    *,
    no_position: bool = False,
) -> str | None:
    """A bound component in words: `ReLU FFN (d_ff 2048, bias)`; None where it cannot be said.

    `without` options that are said elsewhere; `no_position`: that it has none is said.
    """
    cls, options = type(component), essential(component, sizes, without)
    noun = _noun(component, book)
    if noun is None:
        return None
    for name, value in list(options.items()):
        described = _described(component, name, value, noun, book)
        if described is not None:
            noun = described
            del options[name]
            break
    parts = [_option(component, name, value, sizes, book) for name, value in options.items()]
    if no_position:
        parts.append("no positions")
    if any(part is None for part in parts):
        return None
    if len(parts) == 1 and cls.kind in ("position", "norm") and is_number(cls, next(iter(options))):
        return f"{noun} {parts[0]}"
    return f"{noun} ({', '.join(part or '' for part in parts)})" if parts else noun


def essential(component: Component, sizes: Sizes, without: Sequence[str] = ()) -> dict[str, Any]:
    """The options of a bound component that do not follow from the others and its defaults."""
    cls = type(component)
    fields = cls.model_fields
    kept = {name: getattr(component, name) for name in fields if name not in without}
    said = {name: value for name, value in kept.items() if value != fields[name].default}
    wanted = {name: getattr(component, name) for name in kept}
    for name in reversed(list(said)):
        rest = {other: value for other, value in said.items() if other != name}
        if _binds_to(cls, rest, wanted, sizes):
            said = rest
    return said


def _binds_to(
    cls: type[Component], options: Mapping[str, Any], wanted: Mapping[str, Any], sizes: Sizes
) -> bool:
    made = instance(cls, options)
    if made is None:
        return False
    try:
        bound = made.bind(sizes)
    except (ValidationError, AssertionError, ArithmeticError, StopIteration, TypeError):
        return False  # options that a check would refuse
    return all(getattr(bound, name) == value for name, value in wanted.items())


def _noun(component: Component, book: Phrasebook) -> str | None:
    """The phrase that means this component and nothing else."""
    cls, name = type(component), component.name
    short = name.rpartition(":")[2]
    for phrase in (*map(str, cls.__dict__.get("phrases", ())), short, f"{short} {cls.kind}"):
        meaning = book.meaning(phrase)
        if meaning is None or meaning.component is not cls or meaning.rivals or meaning.options:
            continue
        if str(meaning.value).rpartition(":")[2] == short and meaning.kind == cls.kind:
            return phrase
    return short if cls.kind == "score" else None


def _described(component: Component, name: str, value: Any, noun: str, book: Phrasebook) -> str | None:
    """The phrase with a word that sets one option: `ReLU FFN`, and `GeGLU FFN` rather than `GeGLU SwiGLU FFN`."""
    cls = type(component)
    for adjective, options in adjectives(cls):
        for phrase in (f"{adjective} {noun.partition(' ')[2]}", f"{adjective} {noun}"):
            meaning = book.meaning(phrase) if dict(options) == {name: value} else None
            if meaning is not None and meaning.component is cls and dict(meaning.options) == {name: value}:
                return phrase
    return None


def _option(component: Component, name: str, value: Any, sizes: Sizes, book: Phrasebook) -> str | None:
    """`8 heads`, `theta 500000`, `no bias`, `RoPE`, `activation relu`."""
    cls, text = type(component), spoken(name)
    if field_named(cls, text) != name:
        return None
    if slot_kind(cls, name) is not None:
        if value is None:
            return f"no {text}"
        inner = phrase_of(value, sizes, book) if isinstance(value, Component) else None
        if inner is None:
            return None
        return inner if name == position_field(cls) else f"{text} {inner}"
    if value is None:
        return f"{text} none"
    if isinstance(value, bool):
        return (text if value else f"no {text}") if is_switch(cls, name) else None
    if isinstance(value, str):
        return f"{text} {value}" if value in choices(cls, name) else None
    if not is_number(cls, name) or value < 0:
        return None
    number = str(int(value)) if value == int(value) else repr(value)
    if not name.startswith("n_"):
        return f"{text} {number}"
    return f"1 {text.removesuffix('s')}" if value == 1 else f"{number} {text}"
