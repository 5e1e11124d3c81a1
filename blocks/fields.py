"""The options of components as a sentence calls them: `kv heads` is n_kv_heads, `biases` is bias."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError

from blocks.component import Component, Mixer, TokenWise
from blocks.polynomial import Polynomial
from blocks.resolve import component_kind, members_of, takes_number

SYNONYMS = {
    "key/value heads": "kv heads",
    "query heads": "heads",
    "channels a head": "head dim",
    "channels per head": "head dim",
    "head size": "head dim",
    "head dimension": "head dim",
    "sliding window": "window",
    "local window": "window",
    "token window": "window",
    "state size": "d state",
    "inner width": "d ff",
    "FFN width": "d ff",
    "base frequency": "theta",
    "max length": "max len",
    "maximum length": "max len",
    "biases": "bias",
    "query-key norm": "QK-norm",
    "QK normalization": "QK-norm",
    "QKNorm": "QK-norm",
    "logit softcap": "logit cap",
    "logit soft cap": "logit cap",
}
"""What a person may call an option -> what it is called."""

BIASES = "biases"
"""The option of a component that has several biases and none that is called `bias`."""
_BIAS = "bias"

TOKENS = ("window", "max_len")
"""Options that a bare number after a component sets: `of 4096`, in tokens."""


@lru_cache(4096)
def fold(text: str) -> str:
    """What counts of a phrase: its letters and digits, without case."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))


_SYNONYMS = {fold(said): fold(meant) for said, meant in SYNONYMS.items()}


def field_named(cls: type[Component], text: str, *, number: bool = False) -> str | None:
    """The option that is called so: the one that takes a number, or whatever it takes."""
    wanted = fold(text)
    return _called(cls, number).get(_SYNONYMS.get(wanted, wanted).rstrip("s"))


@cache
def _called(cls: type[Component], number: bool) -> Mapping[str, str]:
    """What an option is called, folded and without its plural, and the first option called so."""
    found: dict[str, str] = {}
    for name in cls.model_fields:
        short = name[2:] if name[:2] in ("n_", "d_") else name
        if not number or is_number(cls, name):
            for called in (name, short):
                found.setdefault(fold(called).rstrip("s"), name)
    found.pop("", None)
    if not number and biases(cls):
        found.setdefault(_BIAS.rstrip("s"), BIASES)
    return found


def biases(cls: type[Component]) -> list[str]:
    """The switches that are all meant where one says no more than `bias`."""
    return [name for name in cls.model_fields if name.endswith(_BIAS) and is_switch(cls, name)]


def meant(cls: type[Component], name: str) -> list[str]:
    """The fields that an option sets: itself, or all biases."""
    return biases(cls) if name in (_BIAS, BIASES) and biases(cls) else [name]


def is_number(cls: type[Component], name: str) -> bool:
    """Whether an option takes a number."""
    return takes_number(cls.model_fields[name].annotation)


def is_switch(cls: type[Component], name: str) -> bool:
    """Whether an option is true or false."""
    return bool in members_of(cls.model_fields[name].annotation)


def slot_kind(cls: type[Component], name: str) -> str | None:
    """The kind of component that an option takes, if it is a slot."""
    return component_kind(cls.model_fields[name].annotation)


def choices(cls: type[Component], name: str) -> tuple[str, ...]:
    """The words that an option chooses from."""
    members = members_of(cls.model_fields[name].annotation) if name in cls.model_fields else ()
    found = [value for member in members if get_origin(member) is Literal for value in get_args(member)]
    return tuple(value for value in found if isinstance(value, str))


def numeric_field(cls: type[Component], text: str) -> str | None:
    """The option that takes a number and is called so."""
    return field_named(cls, text, number=True)


def spoken(name: str) -> str:
    """What an option is called in a sentence: n_kv_heads are `kv heads`, d_ff stays."""
    return name if name[:2] == "d_" else name.removeprefix("n_").replace("_", " ")


def option_names(cls: type[Component]) -> list[str]:
    """What a person may call the options."""
    return [spoken(name) for name in cls.model_fields]


def position_field(cls: type[Component]) -> str | None:
    """The slot of a mixer that takes a position."""
    return next((name for name in cls.model_fields if slot_kind(cls, name) == "position"), None)


@cache
def adjectives(cls: type[Component]) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    """Words that set an option: those that the component declares, and the values of its choices."""
    chosen = ((name, value) for name in cls.model_fields for value in choices(cls, name) if value != "none")
    return *cls.adjectives.items(), *((value, {name: value}) for name, value in chosen)


def instance(cls: type[Component], options: Any = None) -> Component | None:
    """A component with these options and no other; None where it needs more."""
    try:
        return cls(**(options or {}))
    except ValidationError:
        return None


def family(cls: type[Component]) -> str:
    """attention, recurrence or feed-forward, told from what the mixer declares and not from its name."""
    if position_field(cls) is not None or any(slot_kind(cls, name) == "score" for name in cls.model_fields):
        return "attention"
    made = instance(cls)
    if isinstance(made, TokenWise):
        return "feed-forward"
    if not isinstance(made, Mixer):
        return "recurrence"
    inside, cost = made.inside(), made.cost()
    kinds = {op.kind for op in inside.ops} if inside is not None else set()
    if "scores" in kinds:
        return "attention"
    held = (cost.state, cost.state_fp32, cost.state_int64)
    return "recurrence" if any(Polynomial.of(size).terms for size in held) else "feed-forward"


def both_ways(cls: type[Component]) -> dict[str, Any] | None:
    """The options with which a mixer looks both ways: none for one that looks at a token alone; None: it cannot."""
    for name in cls.model_fields:
        if "bidirectional" in choices(cls, name):
            return {name: "bidirectional"}
    return {} if family(cls) == "feed-forward" else None
