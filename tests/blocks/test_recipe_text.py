"""Recipes in plain mappings, written as a person would."""

import blocks
from blocks.recipe_text import recipe_text

TREE = {
    "recipe": "r",
    "d_model": 64,
    "vocab_size": 99,
    "blocks": {
        "attention": {"mixer": "multi_head", "n_heads": 4, "n_kv_heads": None, "qkv_bias": False, "mask": "causal",
                      "position": {"rope": {"theta": 10000.0, "rotary_dim": None, "scaling": "none"}}},
        "ffn": {"mixer": "mlp", "d_ff": 256, "bias": True, "norm": {"layernorm": {"eps": 1e-5}}},
    },
    "model": [
        {"embed": {"tokens": {"scale": None}}},
        {"stack": {"depth": 4, "cycle": ["attention", "ffn"], "norm": {"rmsnorm": {"eps": 1e-5}}, "residual": "pre"}},
        {"norm": {"layernorm": {"eps": 1e-6, "bias": True}}},
        {"head": {"lm": {"tied": False}}},
    ],
}  # fmt: skip

TEXT = """\
# Where it is from.
recipe: r
d_model: 64
vocab_size: 99

blocks:
  attention: {mixer: multi_head, n_heads: 4, position: rope}
  ffn:       {mixer: mlp, norm: layernorm, d_ff: 256, bias: true}

model:
  - embed: tokens
  - stack: {depth: 4, cycle: [attention, ffn]}
  - norm: {layernorm: {eps: 1e-6}}
  - head: lm
"""


def test_defaults_are_left_out() -> None:
    registry = blocks.Registry.installed()
    shown = recipe_text(TREE, registry, "Where it is from.")
    assert blocks.load(shown).plan().parameters == blocks.Recipe.model_validate(TREE).plan().parameters
    assert shown == TEXT


def test_streams_heads_and_long_layouts() -> None:
    stack = {"stack": {"layers": "3 x [a, b], a", "norm": "layernorm", "residual": "post"}}
    tree = {
        "recipe": "r", "d_model": 8, "blocks": {"a": {"mixer": "mlp"}, "b": {"mixer": "mlp", "d_ff": 9}},
        "model": {"encoder": [{"embed": {"tokens": {"share": "v", "vocab_size": 5}}}, stack],
                  "decoder": [{"heads": {"x": {"masked_lm": {"tied": True}}, "z": "hidden"}}]},
    }  # fmt: skip
    assert recipe_text(tree, blocks.Registry.installed()).endswith(
        """\
model:
  encoder:
    - embed: {tokens: {share: v, vocab_size: 5}}
    - stack:
        layers: 3 x [a, b], a
        norm: layernorm
        residual: post
  decoder:
    - heads: {x: masked_lm, z: hidden}
"""
    )
