"""Stacks: which layers come out, their letters and reasons, and what is said when none do."""

from __future__ import annotations

from typing import Any

import pytest

from blocks import Recipe, Registry
from blocks.recipe import Stack
from blocks.resolve import Resolver
from blocks.stacks import Layer, StackPlanner

BLOCKS: dict[str, Any] = {
    "mamba2": {"mixer": "mamba2", "head_dim": 16},
    "attention": {"mixer": "multi_head", "n_heads": 4},
    "ffn": {"mixer": "mlp", "residual": "none", "norm": "none"},
}


def planner(blocks: dict[str, Any] | None = None, **stack: Any) -> StackPlanner:
    recipe = Recipe(recipe="r", d_model=64, blocks=BLOCKS if blocks is None else blocks, model="ffn")
    resolver = Resolver(recipe, Registry.installed(plugins=False))
    assert resolver.resolve_sizes(None)
    made = Stack(**stack)
    return StackPlanner(resolver, recipe, made, ("model", 1, "stack"), made.name, {})


def layers(**stack: Any) -> tuple[Layer, ...]:
    made = planner(**stack)
    found = made.layers(64)
    assert not made.resolver.problems.diagnostics
    assert found is not None
    return found


def problem(**stack: Any) -> tuple[str, str, str | None]:
    made = planner(**stack)
    assert made.layers(64) is None or made.resolver.problems
    (found,) = made.resolver.problems.diagnostics
    return found.code, found.message, found.help


def test_layers_have_paths_reasons_and_letters() -> None:
    found = layers(layers="2 x [mamba2], attention", name="decoder")
    assert [(layer.path, layer.type.name, layer.symbol) for layer in found] == [
        ("decoder.0", "mamba2", "M"), ("decoder.1", "mamba2", "M"), ("decoder.2", "attention", "*"),
    ]  # fmt: skip
    assert [layer.reason for layer in found] == ["repeat 1 of 2", "repeat 2 of 2", "written"]
    assert found[0].type is found[1].type


def test_a_block_says_more_than_its_stack() -> None:
    ffn, attention = (
        layer.type for layer in layers(layers="ffn, attention", norm="layernorm", residual="post")
    )
    assert (ffn.norm, ffn.residual) == (None, "none")
    assert attention.norm is not None
    assert (attention.norm.name, attention.residual) == ("layernorm", "post")


def test_parameters_of_a_block_include_its_norm() -> None:
    ffn, attention = (layer.type for layer in layers(layers="ffn, attention"))
    assert ffn.parameters == 2 * 64 * 256
    assert attention.parameters == 4 * 64 * 64 + 64


def test_two_mixers_of_one_letter_get_two_letters() -> None:
    blocks = {
        "b": {"mixer": "mlp"},
        "d": {"mixer": "mlp"},
        "D": {"mixer": "mlp"},
        "a": {"mixer": "gated_mlp"},
    }
    assert [layer.symbol for layer in layers(blocks=blocks, layers="b, d, D, a")] == ["-", "D", "d", "A"]


@pytest.mark.parametrize("mixer", ["multi_head", "mlp", "gru"])
def test_no_name_takes_the_letter_of_mamba(mixer: str) -> None:
    blocks = {
        "first": {"mixer": mixer},
        "multi": {"mixer": mixer},
        "state": {"mixer": "mamba2", "head_dim": 16},
    }
    found = [layer.symbol for layer in layers(blocks=blocks, layers="first, multi, state")]
    assert found[1:] == ["m", "M"]


def test_a_recipe_may_still_say_that_letter() -> None:
    blocks = {"multi": {"mixer": "mlp"}}
    assert layers(blocks=blocks, pattern="M", symbols={"M": "multi"})[0].symbol == "M"


def test_an_override_changes_the_layers_it_selects() -> None:
    found = layers(depth=4, cycle=["attention", "ffn"], override={"attention[-1]": {"n_heads": 2}})
    assert [getattr(layer.type.mixer, "n_heads", None) for layer in found] == [4, None, 2, None]
    assert found[2].type.origin == ("model", 1, "stack", "override", "attention[-1]")


@pytest.mark.parametrize(
    ("stack", "code", "says"),
    [
        ({}, "B0411", "one of layers, pattern, interleave and cycle says which blocks; nothing does"),
        ({"layers": "ffn", "pattern": "-"}, "B0411", "both layers and pattern do"),
        ({"layers": "ffn", "scatter": {"ffn": 1}}, "B0412", "scatter belongs to interleave"),
        ({"layers": "ffn", "symbols": {"F": "ffn"}}, "B0412", "symbols belongs to pattern"),
        ({"pattern": "--", "depth": 3}, "B0413", "pattern has 2 blocks, depth says 3"),
        ({"cycle": ["ffn"]}, "B0414", "cycle needs a depth"),
        ({"pattern": "FF", "symbols": {"FF": "ffn"}}, "B0405", "'FF' is not one letter"),
        ({"pattern": "?"}, "B0405", "no block for '?'"),
        ({"layers": "fnf"}, "B0410", "no block is called 'fnf'"),
        ({"layers": "ffn", "override": {"ffn[1]": {"bias": True}}}, "B0409", "'ffn[1]' selects nothing"),
        ({"layers": "ffn", "override": {"ffn[0]": {}}}, "B0421", "the override of ffn[0] changes nothing"),
        ({"layers": "ffn, ffn", "override": {"ffn": {"d_ff": 8}, "layers[1]": {"d_ff": 9}}}, "B0420",
         "ffn and layers[1] give d_ff of layers.1 different values"),
        ({"layers": "ffn, mamba2", "name": "ffn"}, "B0206", "a block cannot be called 'ffn' like its stack"),
        ({"layers": "attention", "residual": "none", "alpha": 2}, "B0210", "there is no sum"),
        ({"layers": "ffn", "override": {"ffn": {"residual": "pree"}}}, "B0205", "'pree' is not one of pre, post"),
        ({"layers": "ffn", "override": {"ffn": {"mixer": 3}}}, "B0203", "expected text, found 3"),
        ({"layers": "ffn", "override": {"ffn": {"mixer": "mpl"}}}, "B0601", "no mixer is called 'mpl'"),
        ({"layers": "ffn", "override": {"ffn": {"norm": "rmsnrom"}}}, "B0601", "no norm is called 'rmsnrom'"),
    ],
)  # fmt: skip
def test_stacks_that_cannot_be(stack: dict[str, Any], code: str, says: str) -> None:
    found, message, _ = problem(**stack)
    assert found == code
    assert says in message


def test_selectors_contradict_once_for_all_that_they_have_in_common() -> None:
    made = planner(
        layers="8 x [attention]",
        override={"attention[0]": {"n_heads": 2}, "layers[0]": {"n_heads": 8}, "attention": {"n_heads": 1}},
    )
    assert made.layers(64) is None or made.resolver.problems
    messages = {each.message.partition(": ")[2] for each in made.resolver.problems.diagnostics}
    assert messages == {
        "attention[0] and layers[0] give n_heads of layers.0 different values",
        "layers[0] and attention give n_heads of layers.0 different values",
    }


@pytest.mark.parametrize(
    ("stack", "help"),
    [
        ({"layers": "fnf"}, "did you mean 'ffn'?"),
        ({"layers": "quantum"}, "blocks here: mamba2, attention, ffn"),
        ({"layers": "quantum", "blocks": {}}, "blocks here: none"),
        ({"cycle": ["ffn"]}, "depth: 24"),
        ({}, "depth: 12, cycle: [attention, ffn]"),
    ],
)
def test_help(stack: dict[str, Any], help: str) -> None:
    assert problem(**stack)[2] == help


def test_one_wrong_block_is_reported_once() -> None:
    blocks = {"attention": {"mixer": "multi_head", "n_heads": 3}}
    assert problem(blocks=blocks, layers="8 x [attention]")[0] == "B0307"
