"""Components: slots, names, binding, and the constructor call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import pytest
from pydantic import ValidationError

from blocks import Call, Complaint, Component, Cost, Head, Mixer, Norm, Position, Sizes, TokenWise

SIZES = Sizes(d_model=24)


class Turn(Position):
    module = "strange.module:Turn"
    ops = ("turn", "shared")
    width: int | None = None

    def check(self, sizes: Sizes) -> Iterator[Complaint]:
        if sizes.d_model % 2:
            yield Complaint(
                "width", f"{sizes.d_model} is odd", label="odd", help="even", related=("d_model",)
            )

    def bind(self, sizes: Sizes) -> Self:
        return self.model_copy(update={"width": self.width or sizes.d_model})


class Plain(Mixer):
    module = "strange.module:Plain"
    ops = ("mix", "shared")
    scale: float = 1.0
    position: Position | None = None


class Halves(Plain):
    """Answers for its slot at half the width."""

    def check(self, sizes: Sizes) -> Iterator[Complaint]:
        if self.position is not None:
            yield from self.check_slot("position", Sizes(sizes.d_model // 2))


def test_slots_are_the_options_that_hold_components() -> None:
    turn = Turn()
    assert Plain(position=turn).slots() == {"position": turn}
    assert Plain().slots() == {}


def test_what_is_wrong_in_a_slot_is_told_from_its_owner() -> None:
    (found,) = Plain(position=Turn()).check(Sizes(d_model=7))
    assert found == Complaint("position.width", "7 is odd", "odd", "even", related=("d_model",))
    assert not list(Plain(position=Turn()).check(SIZES))
    assert not list(Plain().check(Sizes(d_model=7)))


def test_an_owner_checks_its_slot_at_the_width_it_gives_it() -> None:
    assert not list(Halves(position=Turn()).check(Sizes(d_model=12)))
    assert [c.message for c in Halves(position=Turn()).check(Sizes(d_model=6))] == ["3 is odd"]
    with pytest.raises(KeyError, match="position"):
        list(Plain().check_slot("position", SIZES))


def test_binding_binds_the_slots_and_leaves_the_original() -> None:
    plain = Plain(scale=2.0, position=Turn())
    bound = plain.bind(SIZES)
    assert bound.position == Turn(width=24)
    assert bound.scale == 2.0
    assert plain.position == Turn()
    assert Plain(position=Turn(width=3)).bind(SIZES).position == Turn(width=3)


def test_ops_are_those_of_the_slots_too_each_once() -> None:
    assert Plain(position=Turn()).all_ops() == ("mix", "shared", "turn")
    assert Plain().all_ops() == ("mix", "shared")


def test_a_component_knows_the_name_it_was_looked_up_by() -> None:
    plain = Plain(scale=3.0)
    named = plain.named("strange:plain")
    assert (named.name, named.scale) == ("strange:plain", 3.0)
    assert plain.name == "plain"
    assert named.bind(SIZES).name == "strange:plain"


def test_the_call_has_every_option_and_calls_for_slots() -> None:
    call = Plain(scale=2.0, position=Turn(width=4)).call(24)
    assert call == Call(
        "strange.module:Plain", (24,),
        {"scale": 2.0, "position": Call("strange.module:Turn", (24,), {"width": 4})},
    )  # fmt: skip


@pytest.mark.parametrize(
    "options", [{"scale": "2"}, {"scale": float("nan")}, {"sclae": 2.0}, {"position": "turn"}]
)
def test_options_are_strict(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Plain(**options)  # type: ignore[arg-type]


def test_options_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Plain().scale = 2.0  # type: ignore[misc]


def test_what_a_component_claims_by_default() -> None:
    assert Plain().cost() == Cost()
    assert Plain().inside() is None
    assert Plain().capabilities() == {"causal", "padded", "cached"}
    assert Head().ties() == {}
    assert [kind.kind for kind in (Component, Mixer, Norm, Position, Head)] == [
        "", "mixer", "norm", "position", "head",
    ]  # fmt: skip


def sight(mixer: Mixer, tokens: int = 4) -> list[str]:
    """A row a query, x where it sees a key."""
    return ["".join(".x"[mixer.sees(query, key)] for key in range(tokens)) for query in range(tokens)]


def test_a_causal_mixer_sees_the_past_and_a_token_wise_one_itself() -> None:
    class Both(Mixer):
        def capabilities(self) -> frozenset[str]:
            return frozenset({"padded"})

    assert sight(Plain()) == ["x...", "xx..", "xxx.", "xxxx"]
    assert sight(Both()) == ["xxxx"] * 4
    assert sight(TokenWise()) == ["x...", ".x..", "..x.", "...x"]
    assert TokenWise().equivariant()
    assert not Plain().equivariant()
    assert TokenWise().capabilities() == Plain().capabilities() | {"packed"}
