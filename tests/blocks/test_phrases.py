"""Phrases: words, what counts of them, and which meaning wins."""

from __future__ import annotations

from typing import Any

import pytest

from blocks import Component, Mixer, Position, Registry, hookimpl
from blocks.fields import fold, numeric_field, option_names, position_field
from blocks.phrases import FIXED, MAX_WORDS, Meaning, Phrasebook, words_of
from blocks.recipe import Block


class Retention(Mixer):
    phrases = ("retention", "retentive network of Sun and others in words")
    adjectives = {"gated": {"gate": True}}  # noqa: RUF012
    n_heads: int = 1
    d_state: int = 4
    window: int | None = None
    decay: float = 0.5
    gate: bool = False
    name_of: str | None = None
    position: Position | None = None


class Rival(Mixer):
    phrases = ("retention",)


class Plugin:
    def __init__(self, **targets: Any) -> None:
        self.targets = targets

    @hookimpl
    def register_mixers(self, register: Any) -> None:
        for name, target in self.targets.items():
            register(name, target)


def book(blocks: dict[str, Block] | None = None, **targets: Any) -> Phrasebook:
    return Phrasebook(Registry([]).with_plugin(Plugin(**targets)), blocks or {})


def meaning(found: Phrasebook, text: str) -> tuple[Meaning, int] | None:
    return found.match(words_of(text), 0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("8% attention", ["8", "%", "attention"]),
        ("Mamba-2 & FFN + MLP; x", ["Mamba", "2", "and", "FFN", "and", "MLP", ",", "x"]),
        ("4,096 tokens, 1,5 or 1,0000", ["4096", "tokens", ",", "1", ",", "5", "or", "1", ",", "0000"]),
        ("eps 1e-6 and .5 32k", ["eps", "1e-6", "and", ".5", "32k"]),
        ("key/value (AND) heads.", ["key", "value", "and", "heads"]),
        ("日本 attention", ["日本", "attention"]),
        ("", []),
        (" -–—/.:() ", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert [word.text for word in words_of(text)] == words


def test_words_know_their_place() -> None:
    text = "local attention of 4,096"
    assert [text[word.start : word.end] for word in words_of(text)] == ["local", "attention", "of", "4,096"]


@pytest.mark.parametrize("text", ["Mamba-2", "mamba_2", "MAMBA 2", "ｍａｍｂａ２"])
def test_case_hyphens_and_width_do_not_count(text: str) -> None:
    assert fold(text) == "mamba2"


def test_the_longest_phrase_wins() -> None:
    found = book({"big": Block(mixer="m"), "big attention": Block(mixer="m")})
    assert meaning(found, "big attention, x") == (Meaning("block", "big attention"), 2)
    assert meaning(found, "big, attention") == (Meaning("block", "big"), 1)
    assert meaning(found, "attention") is None
    assert meaning(found, "") is None


def test_the_recipes_own_names_come_first() -> None:
    found = book({"retention": Block(mixer="m")}, retention=Retention)
    assert meaning(found, "retention") == (Meaning("block", "retention"), 1)


def test_a_strangers_mixer_is_known_by_name_and_phrase() -> None:
    found = book(sun2023=Retention)
    assert meaning(found, "Sun-2023") == (Meaning("mixer", "sun2023", Retention), 2)
    assert meaning(found, "retention") == (Meaning("mixer", "sun2023", Retention), 1)
    assert len(words_of(Retention.phrases[1])) == MAX_WORDS
    assert meaning(found, Retention.phrases[1]) == (Meaning("mixer", "sun2023", Retention), MAX_WORDS)


def test_adjectives_set_options() -> None:
    assert meaning(book(a=Retention), "gated retention") == (
        Meaning("mixer", "a", Retention, {"gate": True}),
        2,
    )
    assert meaning(book(a=Rival), "gated retention") is None


def test_one_phrase_of_two_mixers_has_rivals() -> None:
    found = meaning(book(a=Retention, b=Rival), "retention")
    assert found is not None
    assert found[0].rivals == ("a", "b")
    named = meaning(book(retention=Rival, a=Retention), "retention")
    assert named is not None
    assert (named[0].value, named[0].rivals) == ("retention", ())


@pytest.mark.parametrize("target", ["no_such_module:Name", object(), "json:loads"])
def test_a_plugin_that_fails_is_left_out(target: Any) -> None:
    assert meaning(book(broken=target), "broken") is None


@pytest.mark.parametrize("phrase", FIXED)
def test_fixed_clauses(phrase: str) -> None:
    kind, value = FIXED[phrase]
    assert meaning(book(), phrase) == (Meaning(kind, value), len(words_of(phrase)))


def test_the_nearest_clause() -> None:
    assert book(a=Retention).nearest("retension") == ["retention"]
    assert book().nearest("pre-nrom") == ["pre-norm"]
    assert book().nearest("quantum") == []


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("heads", "n_heads"), ("n heads", "n_heads"), ("head", "n_heads"), ("query heads", "n_heads"),
        ("state", "d_state"), ("window", "window"), ("decay", "decay"), ("gate", None), ("name of", None),
        ("position", None), ("", None),
    ],
)  # fmt: skip
def test_fields_by_what_they_are_called(text: str, field: str | None) -> None:
    assert numeric_field(Retention, text) == field


def test_what_fields_may_be_called() -> None:
    assert option_names(Retention) == ["heads", "d_state", "window", "decay", "gate", "name of", "position"]
    assert option_names(Component) == []


def test_the_slot_of_a_position() -> None:
    assert position_field(Retention) == "position"
    assert position_field(Rival) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("-12 layers", ["-12", "layers"]),
        ("Transformer, −12", ["Transformer", ",", "−12"]),
        ("12-layer", ["12", "layer"]),
        ("GPT-2", ["GPT", "2"]),
        ("eps 1e-6", ["eps", "1e-6"]),
    ],
)
def test_a_sign_belongs_to_a_number_that_begins_with_it(text: str, words: list[str]) -> None:
    assert [word.text for word in words_of(text)] == words
