"""What an embedding needs and costs."""

import pytest
from pydantic import ValidationError

from blocks import Call, Sizes
from blocks_embeddings.specs import Tokens


def test_the_vocabulary_is_the_recipes_unless_told() -> None:
    assert Tokens().bind(Sizes(8, vocab_size=12)).call(8) == Call("torch.nn:Embedding", (12, 8))
    assert Tokens(vocab_size=5).bind(Sizes(8, vocab_size=12)).call(8) == Call("torch.nn:Embedding", (5, 8))


def test_without_a_vocabulary_it_says_what_is_missing() -> None:
    (found,) = Tokens().check(Sizes(8))
    assert (found.code, found.field, found.message) == (
        "B0202", "vocab_size", "a token embedding needs vocab_size",
    )  # fmt: skip
    assert not list(Tokens(vocab_size=5).check(Sizes(8)))
    assert not list(Tokens().check(Sizes(8, vocab_size=12)))


def test_a_look_up_costs_parameters_and_no_flops() -> None:
    cost = Tokens(vocab_size=12).cost()
    assert (cost.parameters(8), cost.forward(100, 8), cost.state_bytes(100, 8, 2)) == (96, 0, 0)


def test_a_vocabulary_has_a_token() -> None:
    with pytest.raises(ValidationError, match="greater than 0"):
        Tokens(vocab_size=0)
