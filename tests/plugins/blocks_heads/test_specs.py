"""What a head costs, ties, and asks for."""

import pytest
from pydantic import ValidationError

from blocks import Call, Sizes
from blocks_heads.specs import LM


def test_the_vocabulary_is_the_recipes_unless_told() -> None:
    assert LM().bind(Sizes(8, vocab_size=12)).vocab_size == 12
    assert LM(vocab_size=5).bind(Sizes(8, vocab_size=12)).vocab_size == 5
    assert not list(LM(vocab_size=5).check(Sizes(8)))
    assert not list(LM().check(Sizes(8, vocab_size=12)))


def test_without_a_vocabulary_it_says_what_is_missing() -> None:
    (found,) = LM().check(Sizes(8))
    assert (found.code, found.field, found.message) == (
        "B0202", "vocab_size", "a language-model head needs vocab_size",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "parameters"),
    [({}, 96), ({"bias": True}, 108), ({"tied": True}, 0), ({"tied": True, "bias": True}, 12)],
)
def test_a_tied_table_is_not_counted_and_still_computed(options: dict[str, bool], parameters: int) -> None:
    cost = LM(vocab_size=12, **options).cost()
    assert cost.parameters(8) == parameters
    assert cost.forward(10, 8) == 2 * 10 * 8 * 12


def test_ties_and_call() -> None:
    assert LM(tied=True).ties() == {"weight": "weight"}
    assert LM().ties() == {}
    assert LM(vocab_size=12, bias=True).call(8) == Call("blocks_heads.module:LMHead", (8, 12), {"bias": True})


def test_a_vocabulary_has_a_token() -> None:
    with pytest.raises(ValidationError, match="greater than 0"):
        LM(vocab_size=0)
