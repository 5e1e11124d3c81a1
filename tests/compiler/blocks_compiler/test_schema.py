"""The recipe language as a JSON Schema: every good recipe passes, what is wrong does not, and it says where."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jsonschema import Draft7Validator
from pydantic import Field

from blocks import Mixer, Registry, hookimpl
from blocks.reader import read, read_file
from blocks.recipe import Block, Recipe, Stack, Stage
from blocks_compiler.schema import recipe_schema, schema_text

ROOT = Path(__file__).resolve().parents[3]
RECIPES = sorted(path for path in (ROOT / "recipes").rglob("*.yaml"))
REGISTRY = Registry.installed(plugins=False)
SMALL = """\
recipe: small
d_model: 64
vocab_size: 256
blocks:
  attention: {mixer: multi_head, n_heads: 4, position: rope}
  ffn: {mixer: mlp, d_ff: 4 * d_model}
model:
  - embed: tokens
  - stack: {depth: 4, cycle: [attention, ffn]}
  - norm: rmsnorm
  - head: {lm: {tied: true}}
"""


@pytest.fixture(scope="module")
def validator() -> Draft7Validator:
    schema = recipe_schema(REGISTRY)
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)


def wrong(validator: Draft7Validator, text: str) -> list[tuple[str, str]]:
    """Place and message of what the schema finds wrong, alternatives included."""
    found = list(validator.iter_errors(read(text).value))
    for error in found:
        found += error.context
    return [(error.json_path, error.message) for error in found]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_shipped_recipe_passes(path: Path, validator: Draft7Validator) -> None:
    assert [error.message for error in validator.iter_errors(read_file(path).value)] == []


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("d_model: 64", "d_modle: 64", "$"),
        ("d_model: 64", "d_model: 6.5", "$.d_model"),
        ("d_model: 64", "d_model: -1", "$.d_model"),
        ("d_model: 64", "d_model: 4 $ 3", "$.d_model"),
        ("recipe: small", "recipe: ../small", "$.recipe"),
        ("mixer: mlp", "mixer: gated_mpl", "$.blocks.ffn.mixer"),
        ("mixer: mlp, d_ff", "d_ff", "$.blocks.ffn"),
        ("n_heads: 4", "n_heads: 0", "$.blocks.attention.n_heads"),
        ("n_heads: 4", "n_heads: true", "$.blocks.attention.n_heads"),
        ("n_heads: 4", "n_head: 4", "$.blocks.attention"),
        ("n_heads: 4", "d_ff: 4", "$.blocks.attention"),
        ("position: rope", "position: ropes", "$.blocks.attention.position"),
        ("position: rope", "position: {rope: {thta: 3}}", "$.blocks.attention.position"),
        ("position: rope", "position: {rope: {}, alibi: {}}", "$.blocks.attention.position"),
        ("position: rope", "residual: prenorm", "$.blocks.attention.residual"),
        ("embed: tokens", "embedding: tokens", "$.model[0]"),
        ("cycle:", "cycled:", "$.model[1].stack"),
        ("depth: 4,", "depth: 4, override: {ffn: {d_fff: 4}},", "$.model[1].stack.override.ffn"),
        (
            "depth: 4,",
            "depth: 4, override: {ffn: {mixer: mlp, n_heads: 4}},",
            "$.model[1].stack.override.ffn",
        ),
        ("- norm: rmsnorm", "- norm: rmsnorm\n    position: learned", "$.model[2]"),
        ("tied: true", "tied: 'yes'", "$.model[3].head"),
    ],
)
def test_what_is_wrong_fails_in_its_place(old: str, new: str, place: str, validator: Draft7Validator) -> None:
    assert wrong(validator, SMALL) == []
    assert SMALL.count(old) == 1
    assert place in [found for found, _ in wrong(validator, SMALL.replace(old, new))]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("n_heads: 4", "n_heads: d_model // 16"),
        ("mixer: mlp", "mixer: blocks-dsl:mlp"),
        ("position: rope", "position: {rope: {theta: 1e6}}"),
        ("position: rope", "position: none"),
        ("position: rope", "norm: null"),
        ("{depth: 4, cycle: [attention, ffn]}", "\n      layers: 2 x [attention, ffn]"),
        ("cycle: [attention, ffn]", "layers: [2 x [attention, ffn]]"),
        ("cycle: [attention, ffn]", "interleave: [ffn], scatter: {attention: 8%, before: ffn}"),
        ("depth: 4,", 'depth: 4, override: {"ffn[-1]": {d_ff: 1k}, attention: {mixer: mamba2, d_state: 4}},'),
        (
            "  ffn: {mixer: mlp,",
            "  both: {parallel: [attention, ffn], join: sum}\n  ffn: {mixer: mlp, scale: 0.5,",
        ),
        ("vocab_size: 256", "vocab_size: 32k\nlet: {wide: 4 * d_model, ratio: 0.5}"),
    ],
)
def test_what_the_language_allows_passes(old: str, new: str, validator: Draft7Validator) -> None:
    assert SMALL.count(old) == 1
    assert wrong(validator, SMALL.replace(old, new)) == []


def test_a_sentence_and_streams_pass(validator: Draft7Validator) -> None:
    head = "recipe: small\nd_model: 64\ndepth: 4\n"
    assert wrong(validator, head + "model: interleaved attention and FFN") == []
    assert wrong(validator, head + "model: {encoder: [{embed: tokens}], decoder: [{embed: tokens}]}") == []
    assert wrong(validator, head + "model: {Encoder: [{embed: tokens}]}") != []
    assert wrong(validator, head + "model: {encoder: [{embd: tokens}]}") != []


def test_a_recipe_that_extends_another_may_say_less(validator: Draft7Validator) -> None:
    assert wrong(validator, "recipe: wide\nextends: gpt2\nblocks: {ffn: {d_ff: 8k}}") == []
    assert wrong(validator, "recipe: wide\nextends: gpt2\nblocks: {ffn: {d_fff: 8k}}") != []
    assert ("$", "'model' is a required property") in wrong(validator, "recipe: wide\nd_model: 8")


def test_every_key_of_the_language_is_described() -> None:
    schema = recipe_schema(REGISTRY)
    parts = {
        Recipe: schema,
        **{model: schema["definitions"][model.__name__] for model in (Block, Stack, Stage)},
    }
    for model, part in parts.items():
        assert set(part["properties"]) == set(model.model_fields)
        assert all(value.get("description") for value in part["properties"].values()), model


def test_a_mixer_has_its_options_with_bounds_defaults_and_words() -> None:
    block = recipe_schema(REGISTRY)["definitions"]["Block"]
    names = {choice["const"]: choice["description"] for choice in block["properties"]["mixer"]["anyOf"][:-1]}
    assert set(names) == set(REGISTRY.names("mixer"))
    assert "arXiv:1706.03762" in names["mlp"]
    cases = {
        case["if"]["properties"]["mixer"]["const"]: case["then"]
        for case in block["allOf"]
        if "properties" in case.get("if", {})
    }
    options = cases["mlp"]["properties"]
    assert options["d_ff"]["exclusiveMinimum"] == 0
    assert options["d_ff"]["description"] == "channels inside; default: 4 d_model"
    assert options["activation"]["default"] == "gelu"
    assert "relu2" in options["activation"]["enum"]


def test_the_text_is_the_same_each_time() -> None:
    assert schema_text(REGISTRY) == schema_text(Registry.installed(plugins=False))
    assert json.loads(schema_text(REGISTRY)) == recipe_schema(REGISTRY)


class Decay(Mixer):
    """A mean that forgets."""

    half_life: float = Field(16.0, gt=0, description="tokens after which half is forgotten")


def plugin(distribution: str, name: str, target: Any) -> SimpleNamespace:
    @hookimpl
    def register_mixers(register: Any) -> None:
        register(name, target, help="forgets")

    return SimpleNamespace(__name__=distribution, register_mixers=register_mixers)


def test_a_strangers_mixer_is_known_and_a_broken_one_closes_nothing() -> None:
    registry = REGISTRY.with_plugin(plugin("decays", "decay", Decay)).with_plugin(
        plugin("lost", "lost", "nowhere:Lost")
    )
    validator = Draft7Validator(recipe_schema(registry))
    assert (
        wrong(validator, SMALL.replace("mixer: mlp, d_ff: 4 * d_model", "mixer: decay, half_life: 8")) == []
    )
    assert (
        wrong(validator, SMALL.replace("mixer: mlp, d_ff: 4 * d_model", "mixer: decay, half_life: 0")) != []
    )
    assert wrong(validator, SMALL.replace("mixer: mlp, d_ff: 4 * d_model", "mixer: decay, halflife: 8")) != []
    assert wrong(validator, SMALL.replace("mixer: mlp, d_ff: 4 * d_model", "mixer: lost, anything: 8")) == []
    names = validator.schema["definitions"]["Block"]["properties"]["mixer"]["anyOf"]
    assert "cannot be used" in next(n["description"] for n in names if n.get("const") == "lost")


def test_a_name_that_two_claim_is_written_with_its_distribution() -> None:
    registry = REGISTRY.with_plugin(plugin("second", "mlp", Decay))
    validator = Draft7Validator(recipe_schema(registry))
    assert wrong(validator, SMALL) != []
    assert wrong(validator, SMALL.replace("mixer: mlp", "mixer: blocks-dsl:mlp")) == []
    assert wrong(validator, SMALL.replace("mixer: mlp,", "mixer: blocks-dsl:mlp, half_life: 3,")) != []
