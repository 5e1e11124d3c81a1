"""Resolving: sizes, expressions, slots; every problem is collected and placed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import pytest

from blocks import Complaint, Component, Mixer, Norm, Position, Recipe, Registry, Sizes, hookimpl
from blocks.resolve import Resolver, component_kind, members_of, takes_number
from blocks.validation import Path


class Turn(Position):
    width: int | None = None

    def check(self, sizes: Sizes) -> Iterator[Complaint]:
        if self.width == 13:
            yield Complaint("width", "13 is unlucky")


class Mix(Mixer):
    n_heads: int = 1
    d_ff: int | None = None
    label: str = ""
    position: Position | None = None

    def bind(self, sizes: Sizes) -> Self:
        return super().bind(sizes).model_copy(update={"d_ff": self.d_ff or 4 * sizes.d_model})


class Scale(Norm):
    eps: float = 1e-5


TURN = Turn().named("turn")


class Plugin:
    @hookimpl
    def register_mixers(self, register: Any) -> None:
        register("mix", Mix)

    @hookimpl
    def register_positions(self, register: Any) -> None:
        register("turn", Turn)

    @hookimpl
    def register_norms(self, register: Any) -> None:
        register("scale", Scale)


def resolver(**more: Any) -> Resolver:
    recipe = Recipe(**{"recipe": "r", "d_model": 8, "model": "mix", **more})
    made = Resolver(recipe, Registry([]).with_plugin(Plugin()))
    made.resolve_sizes(None)
    return made


def component(
    made: Resolver, kind: str, name: str, options: Any, at: Path, name_at: Path
) -> Component | None:
    found = made.made(kind, name, options, at, name_at)
    return None if found is None else made.checked(found, at, name_at, made.sizes)


def found(made: Resolver) -> list[tuple[str, str]]:
    return [(d.code, d.message) for d in made.problems.diagnostics]


def test_sizes_are_worked_out_in_any_order() -> None:
    made = resolver(d_model="2 * w", depth="d_model", vocab_size="32k", let={"w": 4})
    assert made.sizes == Sizes(8, 32_000, 8)
    assert made.names["w"] == 4
    assert not found(made)


def test_the_tokenizer_fills_in_what_the_recipe_leaves_out() -> None:
    made = Resolver(Recipe(recipe="r", d_model=8, model="mix"), Registry([]))
    assert made.resolve_sizes(256)
    assert made.sizes.vocab_size == 256
    made = Resolver(Recipe(recipe="r", d_model=8, vocab_size=100, model="mix"), Registry([]))
    assert made.resolve_sizes(256)
    assert made.sizes.vocab_size == 100


@pytest.mark.parametrize(
    ("more", "code", "says"),
    [
        ({"let": {"depth": 3}}, "B0316", "let.depth: 'depth' is already a size of every recipe"),
        ({"d_model": "7 / 2"}, "B0303", "d_model: 7 / 2 is not a whole number: 3.5"),
        ({"d_model": 0}, "B0302", "d_model is 0, not a whole number of at least 1"),
        (
            {"depth": "10 ** 13"},
            "B0302",
            "depth is 10,000,000,000,000, more than the 1,000,000,000,000 allowed",
        ),
        ({"let": {"a": "b", "b": "a"}}, "B0305", "a depends on itself: a -> b -> a"),
        ({"d_model": "8 * wdth"}, "B0315", "d_model: unknown name 'wdth'"),
    ],
)
def test_sizes_that_cannot_be(more: dict[str, Any], code: str, says: str) -> None:
    (problem,) = found(resolver(**more))
    assert problem[0] == code
    assert says in problem[1]


@pytest.mark.parametrize(("value", "size"), [(None, None), (0, 0), (7, 7), ("d_model / 2", 4)])
def test_a_size(value: int | str | None, size: int | None) -> None:
    made = resolver()
    assert made.size(value, ("model", 0)) == size
    assert not found(made)


@pytest.mark.parametrize(
    ("value", "says"),
    [("d_model / 3", "model.0: d_model / 3 is not a whole"), ("1 -", "model.0:"), (-1, "at least 0")],
)
def test_no_size(value: int | str, says: str) -> None:
    made = resolver()
    assert made.size(value, ("model", 0)) is None
    assert says in found(made)[0][1]


def test_a_component_is_looked_up_evaluated_and_bound() -> None:
    made = resolver(let={"w": 2})
    mixer = component(
        made, "mixer", "mix", {"n_heads": "w * 3", "d_ff": "n_ff", "label": "w * 3"}, ("b",), ("b", "mixer")
    )
    assert mixer is None
    assert [code for code, _ in found(made)] == ["B0315"]
    made = resolver(let={"w": 2})
    mixer = component(made, "mixer", "mix", {"n_heads": "w * 3", "label": "w * 3"}, ("b",), ("b", "mixer"))
    assert mixer == Mix(n_heads=6, label="w * 3", d_ff=32).named("mix")


def test_options_may_refer_to_each_others_numbers() -> None:
    made = component(resolver(), "mixer", "mix", {"n_heads": 3, "d_ff": "n_heads * 5"}, ("b",), ("b",))
    assert made == Mix(n_heads=3, d_ff=15).named("mix")


@pytest.mark.parametrize(
    ("slot", "position"),
    [
        ("turn", TURN), ({"turn": {"width": 4}}, Turn(width=4).named("turn")), ({"turn": None}, TURN),
        (Turn(width=2), Turn(width=2)), ("none", None),
        ({"turn": {"width": "d_model"}}, Turn(width=8).named("turn")),
    ],
)  # fmt: skip
def test_slots(slot: Any, position: Position | None) -> None:
    made = resolver()
    assert made.slot("position", slot, ("position",)) == position
    mixer = component(made, "mixer", "mix", {"position": slot}, ("b",), ("b",))
    assert mixer == Mix(position=position, d_ff=32).named("mix")
    assert not found(made)


@pytest.mark.parametrize(
    ("slot", "code", "says"),
    [
        (3, "B0207", "position: a position is a name, or a mapping of one name to its options"),
        ({}, "B0207", "a mapping of one name"),
        ({"turn": 3}, "B0207", "a mapping of one name"),
        ({"turn": {}, "trun": {}}, "B0207", "a mapping of one name"),
        ("trun", "B0601", "no position is called 'trun'"),
        ("scale", "B0601", "no position is called 'scale'"),
        ({"turn": {"wdth": 3}}, "B0201", "position.turn.wdth: "),
        ({"turn": {"width": 13}}, "B0302", "position.turn.width: 13 is unlucky"),
    ],
)
def test_slots_that_are_wrong(slot: Any, code: str, says: str) -> None:
    made = resolver()
    assert made.slot("position", slot, ("position",)) is None
    (problem,) = found(made)
    assert problem[0] == code
    assert says in problem[1]


def test_a_complaint_about_a_slot_is_placed_in_the_slot() -> None:
    made = resolver()
    assert component(made, "mixer", "mix", {"position": {"turn": {"width": 13}}}, ("b",), ("b",)) is None
    assert found(made) == [("B0302", "b.position.turn.width: 13 is unlucky")]


def test_annotations() -> None:
    fields = Mix.model_fields
    assert component_kind(fields["position"].annotation) == "position"
    assert component_kind(fields["n_heads"].annotation) is None
    assert [takes_number(fields[name].annotation) for name in ("n_heads", "d_ff", "label", "position")] == [
        True, True, False, False,
    ]  # fmt: skip
    assert members_of(int | None) == (int, type(None))
    assert members_of(int | str | None) == (int, str, type(None))
    assert members_of(int) == (int,)
    assert not takes_number(int | str)
