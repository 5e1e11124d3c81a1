"""Options of components as a sentence calls them, and what mixers are."""

from __future__ import annotations

from typing import Literal

import pytest

from blocks import Cost, Mixer, Norm, Position, Registry, T
from blocks.fields import (
    SYNONYMS,
    adjectives,
    both_ways,
    choices,
    family,
    field_named,
    fold,
    instance,
    spoken,
)


class Mixed(Mixer):
    adjectives = {"gated": {"gate": True}}  # noqa: RUF012
    n_heads: int = 2
    d_state: int = 4
    gate: bool = False
    direction: Literal["forward", "bidirectional"] = "forward"
    inner_norm: Norm | None = None
    position: Position | None = None


class Needs(Mixer):
    n_heads: int


class Keeps(Mixer):
    def cost(self) -> Cost:
        return Cost(state=T)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("heads", "n_heads"), ("query heads", "n_heads"), ("d_state", "d_state"), ("state", "d_state"),
        ("gate", "gate"), ("inner norm", "inner_norm"), ("Direction", "direction"), ("wings", None), ("s", None),
    ],
)  # fmt: skip
def test_names(text: str, name: str | None) -> None:
    assert field_named(Mixed, text) == name


@pytest.mark.parametrize(("said", "meant"), SYNONYMS.items())
def test_every_synonym_names_an_option_of_an_installed_component(said: str, meant: str) -> None:
    classes = [
        entry.load() for kind in ("mixer", "position", "head") for entry in Registry.installed().of_kind(kind)
    ]
    named = [(field_named(cls, said), field_named(cls, meant)) for cls in classes]
    assert all(one == other for one, other in named)
    assert any(one for one, _ in named)


def test_what_is_spoken_is_understood() -> None:
    for name in Mixed.model_fields:
        assert field_named(Mixed, spoken(name)) == name
    assert (spoken("n_kv_heads"), spoken("d_ff"), spoken("head_dim")) == ("kv heads", "d_ff", "head dim")


def test_choices_and_adjectives() -> None:
    assert choices(Mixed, "direction") == ("forward", "bidirectional")
    assert dict(adjectives(Mixed)) == {
        "gated": {"gate": True}, "forward": {"direction": "forward"},
        "bidirectional": {"direction": "bidirectional"},
    }  # fmt: skip


def test_families_come_from_what_a_mixer_declares() -> None:
    assert [family(cls) for cls in (Mixed, Keeps, Needs, Mixer)] == [
        "attention", "recurrence", "recurrence", "feed-forward",
    ]  # fmt: skip
    installed = {entry.name: family(entry.load()) for entry in Registry.installed().of_kind("mixer")}
    assert installed["multi_head"] == installed["sliding_window"] == "attention"
    assert installed["mamba2"] == "recurrence"
    assert installed["mlp"] == installed["gated_mlp"] == "feed-forward"


def test_looking_both_ways() -> None:
    assert both_ways(Mixed) == {"direction": "bidirectional"}
    assert both_ways(Keeps) is None
    assert both_ways(Mixer) == {}


def test_instances() -> None:
    assert instance(Needs) is None
    assert instance(Needs, {"n_heads": 2}) == Needs(n_heads=2)
    assert fold("Mamba-2") == "mamba2"
