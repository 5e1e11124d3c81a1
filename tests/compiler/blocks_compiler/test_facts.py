"""A plan as items with facts: everything that has a meaning is one, what only names something is none."""

from dataclasses import fields

import pytest

import blocks
from blocks.blocktype import BlockType, Layer
from blocks_compiler.facts import NAMED, PLACE, Fact, meanings, said

RECIPE = """\
recipe: small
d_model: 64
vocab_size: 256
blocks:
  attention: {mixer: multi_head, n_heads: 4, position: {rope: {theta: 500}}}
  ffn: {mixer: mlp, residual: sandwich, share: true}
  inner: {mixer: mlp}
  both: {parallel: [attention, attention, inner], join: mean}
model:
  - embed: tokens
  - stack: {layers: [attention, ffn, both, ffn], norm: rmsnorm}
  - heads: {words: lm, again: lm}
"""


def test_items_are_stages_and_blocks_in_order() -> None:
    items, means = meanings(blocks.load(RECIPE).plan())
    assert [(item.role, item.name) for item in items] == [
        ("embedding", "embed"),
        ("block", "attention"), ("block", "ffn"), ("block", "both"), ("block", "ffn"),
        ("head", "heads.words"), ("head", "heads.again"),
    ]  # fmt: skip
    assert len(means) == len(items)
    assert items[4].relations == (("shares", "layers.1"),)
    assert means[2] != means[4]
    assert means[5] != means[6]


def test_facts_of_a_block() -> None:
    items, _ = meanings(blocks.load(RECIPE).plan())
    attention, ffn, both = ({fact.name: fact.text for fact in item.facts} for item in items[1:4])
    assert attention["mixer"] == "multi_head"
    assert attention["position.theta"] == "500"
    assert attention["norm"] == "rmsnorm"
    assert (ffn["d_ff"], ffn["residual"], ffn["out_norm"]) == ("256", "sandwich", "rmsnorm")
    assert both["join"] == "mean"
    assert both["multi_head.n_heads"] == both["multi_head#2.n_heads"] == "4"
    assert both["mlp.d_ff"] == "256"
    for item in items:
        names = [fact.name for fact in item.facts]
        assert len(set(names)) == len(names), item.path


def test_what_nobody_said_is_not_notable() -> None:
    items, _ = meanings(blocks.load(RECIPE).plan())
    facts = {fact.name: fact for fact in items[1].facts}
    assert facts["n_heads"].notable
    assert not facts["qkv_bias"].notable
    assert facts["scale"] == Fact("scale", "1", notable=False)


def test_every_field_is_a_fact_a_name_or_a_place() -> None:
    plan = blocks.load(RECIPE).plan()
    items, _ = meanings(plan)
    names = {fact.name for fact in items[1].facts} | NAMED | {"width", "out_width"}
    assert {field.name for field in fields(BlockType)} <= names
    assert {field.name for field in fields(Layer)} >= PLACE


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "none"), ("", "none"), (True, "true"), (1.0, "1"), (1e-5, "1e-5"), (3, "3"),
        ((1, 2), "[1, 2]"), ({"a": 1}, "{a: 1}"),
    ],
)  # fmt: skip
def test_values_are_said_as_a_recipe_writes_them(value: object, text: str) -> None:
    assert said(value) == text
