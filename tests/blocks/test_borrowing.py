"""Keys and values of earlier blocks: which block is meant, what is refused, and that the numbers are the owner's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import blocks
from blocks import RecipeError
from blocks_compiler.backends.report import report

HEAD = """\
recipe: r
d_model: 8
vocab_size: 16
blocks:
  a: {mixer: multi_head, n_heads: 2}
  b: {mixer: multi_head, n_heads: 2, kv_from: a}
  c: {mixer: multi_head, n_heads: 2, kv_from: "SOURCE"}
  f: {mixer: mlp, d_ff: 12}
  p: {parallel: [a, f]}
  w: {mixer: sliding_window, n_heads: 2, window: 3}
  g: {mixer: multi_head, n_heads: 2, n_kv_heads: 1}
  layers: {mixer: multi_head, n_heads: 2}
model:
  - embed: tokens
  - stack: {layers: "LAYERS"}
  - head: lm
"""


def text(layers: str, source: str = "a") -> str:
    return HEAD.replace("SOURCE", source).replace("LAYERS", layers)


def sources(layers: str, source: str = "a") -> list[int | None]:
    plan = blocks.load(text(layers, source)).plan()
    return [None if each.kv_source is None else int(each.kv_source.split(".")[1]) for each in plan.layers]


@pytest.mark.parametrize(
    ("layers", "source", "found"),
    [
        ("a, c", "a", [None, 0]),
        ("a, f, c, a, c", "a", [None, None, 0, None, 3]),
        ("a, a, a, c, c", "a[-2]", [None, None, None, 1, 1]),
        ("a, a, a, c", "a[0]", [None, None, None, 0]),
        ("f, a, a, c", "layers[1]", [None, None, None, 1]),
        ("a, f, c", "layers[-2]", [None, None, 0]),
        ("a, c, c, c", "c", None),
        ("a, b, c, f, c", "b", [None, 0, 0, None, 0]),  # what borrows passes on what it borrows
        ("a, b, c", "layers[-1]", [None, 0, 0]),
        ("a, c", " a[ 0 ] ", None),
        ("c, a", "a", None),
        ("a, c", "a[1]", None),
        ("a, c", "z", None),
        ("f, c", "f", None),
        ("w, c", "w", None),
        ("g, c", "g", None),
        ("p, c", "p", None),
    ],
)
def test_which_block_is_meant(layers: str, source: str, found: list[int | None] | None) -> None:
    if found is not None:
        assert sources(layers, source) == found
        return
    with pytest.raises(RecipeError) as caught:
        sources(layers, source)
    assert {each.code for each in caught.value.diagnostics} <= {"B0417", "B0418"}
    assert all(each.help for each in caught.value.diagnostics)


def test_a_parallel_block_lends_nothing_even_where_its_first_mixer_would() -> None:
    changed = text("a, b").replace(
        '{layers: "a, b"}', '{layers: "a, b", override: {"a[0]": {parallel: [a, f]}}}'
    )
    with pytest.raises(RecipeError, match="has no keys and values") as caught:
        blocks.load(changed).plan()
    assert caught.value.diagnostics[0].code == "B0418"


def stirred(layers: str, source: str = "a") -> Any:
    model = blocks.build(text(layers, source), dtype="float64").eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.5 * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
    return model


def heads(x: Tensor) -> Tensor:
    return x.unflatten(-1, (2, 4)).transpose(1, 2)  # [B, H, T, 4]


@torch.no_grad()
def test_the_numbers_are_those_of_the_owners_keys_and_values() -> None:
    """Queries of the borrower against keys and values computed by hand from what the owner read."""
    model = stirred("a, f, c, b")
    tokens = torch.arange(12).view(2, 6)
    x = model.embed(tokens)
    owner = model.layers[0]
    _, k, v = map(heads, owner.mixer.qkv_proj(owner.norm(x)).chunk(3, dim=-1))
    x = owner(x)[0]
    x = model.layers[1](x)[0]
    for layer in model.layers[2:]:
        names = [name for name, _ in layer.mixer.named_parameters()]
        assert not any("k" in name.split("_")[0] for name in names), names
        q = heads(layer.mixer.q_proj(layer.norm(x)))
        y = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + layer.mixer.out_proj(y.transpose(1, 2).flatten(2))
    torch.testing.assert_close(model(tokens)[0], model.head(x))


@pytest.mark.parametrize(("layers", "source"), [("a, b, f, c, b, f, c", "b"), ("a, a, c, b, c", "a[-2]")])
@torch.no_grad()
def test_steps_are_the_whole(layers: str, source: str) -> None:
    model = stirred(layers, source)
    tokens = torch.arange(14).view(2, 7)
    found, state = model(tokens[:, :3])
    steps = [found]
    for at in range(3, 7):
        found, state = model(tokens[:, at : at + 1], state)
        steps.append(found)
    torch.testing.assert_close(torch.cat(steps, 1), model(tokens)[0])


@torch.no_grad()
def test_the_state_in_the_report_is_what_is_held() -> None:
    model = stirred("a, b, f, b").float()
    _, state = model(torch.arange(6).view(1, 6))
    tensors = [each for kept in state["layers"] for each in (kept or ()) if isinstance(each, Tensor)]
    held = sum(t.numel() * t.element_size() for t in tensors if t.dtype != torch.bool)
    rows = report(blocks.compile_graph(text("a, b, f, b")), 6, dtype="float32")
    assert held == rows.total.state_bytes
    assert [row.costs.state_bytes > 0 for row in rows.rows if row.role == "block"] == [
        True,
        False,
        False,
        False,
    ]
    assert rows.total.parameters == sum(p.numel() for p in model.parameters())
