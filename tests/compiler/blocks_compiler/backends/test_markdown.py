"""A comparison in a pull request."""

import blocks
from blocks_compiler.backends.markdown import code, comparison_markdown, escaped
from blocks_compiler.compare import compare

RECIPE = """\
recipe: small
d_model: 64
vocab_size: 256
blocks:
  attention: {mixer: multi_head, n_heads: 4}
  ffn: {mixer: mlp}
model:
  - embed: tokens
  - stack: {name: layers, layers: "3 x [attention, ffn]"}
  - norm: rmsnorm
  - head: lm
"""


def markdown(old: str, new: str) -> str:
    graphs = [blocks.compile_graph(blocks.load(text), kernels="reference") for text in (old, new)]
    return comparison_markdown(compare(graphs[0], graphs[1], 1000))


def test_the_same() -> None:
    assert markdown(RECIPE, RECIPE) == "**`small` and `small` are the same architecture.**\n"


def test_tables_and_details() -> None:
    new = RECIPE.replace("recipe: small", "recipe: wide").replace("{mixer: mlp}", "{mixer: mlp, d_ff: 512}")
    assert (
        markdown(RECIPE, new.replace("3 x [attention, ffn]", "3 x [attention, ffn], ffn"))
        == """\
### `small` → `wide`

| | old | new | change |
|---|--:|--:|--:|
| `blocks` | 6 | **7** | |
| parameters | 180,672 | 344,576 | **+163,904** (+90.7%) |
| FLOPs a token, forward at 1k | 1.10 MFLOP | 1.42 MFLOP | **+327.7 kFLOP** (+29.9%) |
| FLOPs a token, decoding at 1k | 1.10 MFLOP | 1.42 MFLOP | **+327.7 kFLOP** (+29.9%) |
| state at 1k, bfloat16 | 750.0 KiB | 750.0 KiB | = |

| | what | change | parameters |
|:-:|---|---|--:|
| ~ | **3 × ffn** | `d_ff` 256 → **512** | +98.3 K |
| + | **1 × ffn** | added: mlp, d_ff 512, norm rmsnorm, residual pre | +65.6 K |

<details><summary>The blocks in order</summary>

- `small`: 3 × &#91;attention, ffn&#93;
- `wide`: 3 × &#91;attention, ffn&#93;, +ffn

</details>

<details><summary>Where</summary>

| | what | where |
|:-:|---|---|
| ~ | **3 × ffn** | layers.1, 3, 5 |
| + | **1 × ffn** | layers.6 |

</details>
"""
    )


def test_text_from_a_recipe_makes_no_markup() -> None:
    assert escaped("d_ff 3, a_b") == "d_ff 3, a_b"
    assert code("a | b") == "a &#124; b"
    for text in (
        "<img src=x>",
        "@someone",
        "#12",
        "*a*",
        "_a_",
        "[a](https://x.y)",
        "www.x.y",
        "`a`",
        "a | b",
        ":a:",
    ):
        shown = escaped(text)
        assert not set("<>@#*[]`|:") & set(shown.replace("&#", "")), text
        assert "www." not in shown
    assert "\n" not in escaped("a\n\n# b")
    assert "\x1b" not in escaped("\x1b[31m")


def test_a_strangers_text_is_escaped() -> None:
    new = RECIPE.replace("  ffn: {mixer: mlp}", "  ffn: {mixer: mlp, share: '@all|<b>'}")
    assert new != RECIPE
    made = markdown(RECIPE, new)
    assert "@all" not in made
    assert "<b>" not in made
