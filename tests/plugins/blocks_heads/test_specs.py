"""What a head costs, ties, and asks for."""

import pytest
import torch
from pydantic import ValidationError

import blocks
from blocks import Call, Head, Sizes
from blocks_compiler.backends.module import build_component
from blocks_compiler.conformance.cost import count_flops
from blocks_heads.specs import LM, Classifier, Hidden, MaskedLM, Pooler


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


HEADS: list[Head] = [
    LM(logit_cap=30.0), LM(dim=4, scale=0.5, bias=True), LM(scale=0.25), MaskedLM(tied=False), Classifier(),
    MaskedLM(tied=False, dim=4, bias=False, activation="relu"), Classifier(n_classes=5, pooler=True, pool="mean"),
    Classifier(bias=False, pool="last"), Hidden(), Pooler(), Pooler(pool="mean"),
]  # fmt: skip


@pytest.mark.parametrize("head", HEADS)
def test_cost_and_shape_are_those_of_the_module(head: Head) -> None:
    bound = head.bind(Sizes(8, vocab_size=12))
    assert not list(bound.check(Sizes(8)))
    module = build_component(bound, 8, device="meta")
    assert sum(p.numel() for p in module.parameters()) == bound.cost().parameters(8)
    for tokens in (1, 5, 16):
        counted, y = count_flops(module, torch.empty(1, tokens, 8, device="meta"))
        assert bound.cost().forward(tokens, 8) == counted
        assert y.shape == tuple(
            {"B": 1, "T": tokens, "d_model": 8}.get(str(size), size) for size in bound.shape()
        )
    if isinstance(bound, LM | MaskedLM):
        assert tuple(module.weight.shape) == bound.table(8)


def test_what_is_asked_of_mixers_and_of_the_caller() -> None:
    assert MaskedLM().requires == Classifier().requires == Pooler().requires == {"padded"}
    assert not Hidden().requires
    assert (LM().takes_mask, MaskedLM().takes_mask, Classifier().takes_mask) == (False, False, True)
    assert (Hidden().takes_mask, Pooler().takes_mask) == (False, True)
    assert Pooler().cost().decode(1000, 8) == 2 * 8 * 8
    assert Classifier().cost().decode(1000, 8) == 2 * 2 * 8


def test_a_masked_head_is_tied_unless_told() -> None:
    assert MaskedLM().ties() == {"weight": "weight"}
    assert MaskedLM(tied=False).ties() == {}
    dense, norm, biases = 8 * 8 + 8, 2 * 8, 12
    assert MaskedLM(vocab_size=12).cost().parameters(8) == dense + norm + biases
    narrow = 8 * 4 + 4 + 2 * 4 + 12
    assert MaskedLM(vocab_size=12, dim=4).cost().parameters(8) == narrow
    assert LM(vocab_size=12, dim=4, tied=True).cost().parameters(8) == 8 * 4


@pytest.mark.parametrize("kind", [LM, MaskedLM])
def test_a_dim_narrows(kind: type[LM] | type[MaskedLM]) -> None:
    sizes = Sizes(8, vocab_size=12)
    (found,) = kind(dim=8).check(sizes)
    assert (found.code, found.field, found.related) == ("B0339", "dim", ("d_model",))
    assert not list(kind(dim=7).check(sizes))
    assert [c.code for c in kind().check(Sizes(8))] == ["B0202"]


@pytest.mark.parametrize("option", [{"logit_cap": 0.0}, {"scale": -1.0}, {"dim": 0}])
def test_options_that_cannot_be(option: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="greater than 0"):
        LM(**option)  # type: ignore[arg-type]


MESSAGES = [
    (
        """recipe: r
d_model: 32
vocab_size: 9
model:
  - embed: tokens
  - head: {masked_lm: {dim: 40}}
""",
        """error[B0339]: a map to 40 columns does not narrow d_model = 32
  --> <text>:6:29
2 | d_model: 32
  |          -- d_model is set here
6 |   - head: {masked_lm: {dim: 40}}
  |                             ^^
  = help: a dim below 32, that of the embedding where the table is tied, or no dim""",
    ),
]


@pytest.mark.parametrize(("recipe", "message"), MESSAGES)
def test_a_mistake_is_answered(recipe: str, message: str) -> None:
    with pytest.raises(blocks.RecipeError) as caught:
        blocks.load(recipe).plan()
    assert str(caught.value).rstrip() == message


@pytest.mark.parametrize(
    "head",
    [
        LM(vocab_size=12),
        LM(vocab_size=12, bias=True, dim=3, scale=0.5, logit_cap=1.5),
        LM(vocab_size=12, scale=2.0),
        MaskedLM(vocab_size=12),
        MaskedLM(vocab_size=12, dim=3, bias=False, activation="silu"),
    ],
)
def test_heads_over_a_vocabulary_say_what_their_table_reads(head: Head) -> None:
    assert head.linear
    made = build_component(head, 8).double()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(2, 5, 8, dtype=torch.float64)
    features = made.features(x) if hasattr(made, "features") else x
    logits = torch.nn.functional.linear(features, made.weight, made.bias)
    cap = getattr(made, "logit_cap", None)
    wanted = logits if cap is None else cap * torch.tanh(logits / cap)
    assert logits.abs().max() > 1
    torch.testing.assert_close(made(x), wanted, rtol=1e-12, atol=1e-12)


def test_other_heads_have_no_table_for_a_loss() -> None:
    assert not any(head.linear for head in (Classifier(), Hidden(), Pooler()))
