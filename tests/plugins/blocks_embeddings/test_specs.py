"""What an embedding needs, costs, shares, and which module runs it."""

import math

import pytest
from pydantic import ValidationError

import blocks
from blocks import Call, Sizes
from blocks_compiler.backends.module import build_component
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


OPTIONS = [
    {}, {"scale": 8.0}, {"n_types": 2}, {"dim": 4}, {"dim": 4, "bias": True, "scale": 2.0, "n_types": 3}, {"width": 10},
    {"width": 10, "n_types": 2},
]  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS)
def test_built_as_declared(options: dict[str, object]) -> None:
    bound = Tokens(vocab_size=12, **options).bind(Sizes(8))  # type: ignore[arg-type]
    assert not list(bound.check(Sizes(8)))
    module = build_component(bound, 8, device="meta")
    assert sum(p.numel() for p in module.parameters()) == bound.cost().parameters(8)
    assert tuple(module.weight.shape) == bound.table(8)
    assert bound.cost().forward(10, 8) == (2 * 10 * 4 * 8 if "dim" in options else 0)
    assert bound.out_width(8) == options.get("width", 8)


def test_types_are_an_input_of_their_own() -> None:
    assert [each.name for each in Tokens().inputs()] == ["tokens"]
    tokens, types = Tokens(n_types=2).inputs()
    assert (tokens.name, types.name) == ("tokens", "types")
    assert types.describe("S") == "int64 [B, S]"
    assert Tokens(n_types=2).length() is None


def test_without_options_it_is_torchs_own() -> None:
    assert Tokens(vocab_size=5).call(8).target == "torch.nn:Embedding"
    assert Tokens(vocab_size=5, width=3).call(8) == Call("torch.nn:Embedding", (5, 3))
    assert Tokens(vocab_size=5, share="v").call(8) == Call("torch.nn:Embedding", (5, 8))


@pytest.mark.parametrize(
    ("tokens", "findings"),
    [
        (Tokens(dim=8), [("B0339", "dim")]),
        (Tokens(dim=7), []),
        (Tokens(dim=4, width=6), [("B0312", "width")]),
        (Tokens(bias=True), [("B0340", "bias")]),
        (Tokens(width=20), []),
    ],
)
def test_complaints(tokens: Tokens, findings: list[tuple[str, str]]) -> None:
    assert [(found.code, found.field) for found in tokens.check(Sizes(8, vocab_size=12))] == findings


def test_a_group_shares() -> None:
    assert (Tokens(share="vocabulary").share_group(), Tokens().share_group()) == ("vocabulary", None)
    with pytest.raises(ValidationError, match="at least 1"):
        Tokens(share="")


@pytest.mark.parametrize(("d_model", "scale"), [(512, math.sqrt(512)), (256, 16)])
def test_a_scale_is_an_expression(d_model: int, scale: float) -> None:
    recipe = f"{{recipe: r, d_model: {d_model}, vocab_size: 10, model: [embed: {{tokens: {{scale: sqrt(d_model)}}}}]}}"
    (stage,) = blocks.load(recipe).plan().stages
    assert isinstance(stage.component, Tokens)
    assert stage.component.scale == scale


MESSAGES = [
    (
        """recipe: r
d_model: 32
vocab_size: 9
model:
  - embed: {tokens: {dim: 32}}
""",
        """error[B0339]: a table of 32 columns and a map to d_model = 32 save nothing
  --> <text>:5:27
2 | d_model: 32
  |          -- d_model is set here
5 |   - embed: {tokens: {dim: 32}}
  |                           ^^
  = help: a dim below 32, or no dim""",
    ),
    (
        """recipe: r
d_model: 32
vocab_size: 9
model:
  - embed: {tokens: {bias: true}}
""",
        """error[B0340]: the bias belongs to the map from dim to d_model, and there is no dim
  --> <text>:5:28
5 |   - embed: {tokens: {bias: true}}
  |                            ^^^^
  = help: add dim, or leave bias out""",
    ),
    (
        """recipe: r
d_model: 32
vocab_size: 9
model:
  - embed: {tokens: {dim: 8, width: 20}}
""",
        """error[B0312]: dim is mapped to d_model, and width says that nothing is mapped
  --> <text>:5:37
5 |   - embed: {tokens: {dim: 8, width: 20}}
  |                                     ^^
  = help: keep dim for a factorised table, or width: 8 for embeddings of that width""",
    ),
]


@pytest.mark.parametrize(("recipe", "message"), MESSAGES)
def test_a_mistake_is_answered(recipe: str, message: str) -> None:
    with pytest.raises(blocks.RecipeError) as caught:
        blocks.load(recipe).plan()
    assert str(caught.value).rstrip() == message
