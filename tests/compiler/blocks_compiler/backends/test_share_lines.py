"""Sharing: one set of parameters, states and adapters for each use, and totals that count it once, wherever it is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

import blocks
from blocks_compiler.backends.folder import write_folder
from blocks_compiler.backends.lock import lock
from blocks_compiler.backends.module import build_module
from blocks_compiler.backends.report import report
from blocks_compiler.backends.share_lines import numbers, share_lines
from blocks_compiler.sizes import ParameterCounts

HEAD = """\
recipe: r
d_model: 8
vocab_size: 16
blocks:
  a:  {mixer: multi_head, n_heads: 2, share: true}
  f:  {mixer: mlp, d_ff: 12, share: true}
  ad: {mixer: mlp, d_ff: 12, share: thin, adapter: {low_rank: {rank: 2}}}
  af: {mixer: mlp, d_ff: 12, share: thin, adapter: {low_rank: {rank: 3}}}
  half: {mixer: mlp, d_ff: 12, share: f, scale: 0.5}
  p:  {parallel: [q, m], join: concat, share: true, layer_scale: 0.5, out_norm: rmsnorm}
  q:  {mixer: multi_head, n_heads: 2, position: {relative: {n_buckets: 4, max_distance: 8, share: table}}}
  m:  {mixer: gated_mlp, d_ff: 12, norm: layernorm}
  r:  {mixer: multi_head, n_heads: 2, position: {relative: {n_buckets: 4, max_distance: 8, share: table}}}
  two: {parallel: [q, q]}
  g:  {mixer: gru, share: true}
"""
READING = """\
  c:  {mixer: multi_head, n_heads: 2, memory: encoder, share: true}
  e:  {mixer: multi_head, n_heads: 2, mask: bidirectional, share: true}
"""
ONE = """\
model:
  - embed: {{tokens: {{share: words}}}}
  - stack: {{layers: '{layers}'}}
  - head: {{lm: {{tied: true}}}}
"""
TWO = """\
model:
  encoder:
    - embed: {tokens: {share: words}}
    - stack: {layers: "3 x [e, f]"}
  decoder:
    - embed: {tokens: {share: words}}
    - stack: {layers: "2 x [a, c, f]"}
    - head: {lm: {tied: true}}
"""
MODELS = {
    "whole": HEAD + ONE.format(layers="4 x [a, f]"),
    "adapters": HEAD + ONE.format(layers="ad, a, af, f, ad, af"),
    "factors": HEAD + ONE.format(layers="f, half, f, half"),
    "parallel": HEAD + ONE.format(layers="p, f, p, p"),
    "slots": HEAD + ONE.format(layers="r, p, q, two, p, two"),
    "states": HEAD + ONE.format(layers="3 x [g]"),
    "streams": HEAD + READING + TWO,
}


@pytest.fixture(params=MODELS)
def text(request: pytest.FixtureRequest) -> str:
    """A recipe that shares, of each kind."""
    return MODELS[request.param]


def streams(text: str) -> int:
    return 2 if "encoder:" in text else 1


def stirred(text: str, dtype: str = "float64") -> Any:
    model = blocks.build(text, dtype=dtype).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
    return model


def run(model: Any, text: str, *, at: int = 6) -> torch.Tensor:
    tokens = torch.arange(12).view(2, 6) % 16
    inputs = (tokens,) * streams(text)
    logits: torch.Tensor = model(*inputs)[0] if at == 6 else model(*inputs[:-1], tokens[:, :at])[0]
    return logits


def test_totals_are_the_numbers_of_elements(text: str) -> None:
    plan = blocks.load(text).plan()
    model = blocks.build(text)
    counted = sum(parameter.numel() for parameter in model.parameters())
    graph = blocks.compile_graph(text)
    made = report(graph, 6)
    sizes = ParameterCounts(plan)
    assert plan.parameters == sizes.total == made.total.parameters == counted
    assert sum(row.costs.parameters for row in made.rows) == counted
    rows = {row.path: row.costs.parameters for row in made.rows}
    assert {layer.path: sizes.of(layer) for layer in plan.layers} == {
        layer.path: rows[layer.path] for layer in plan.layers
    }


def test_rows_of_the_report_sum_to_its_total(text: str) -> None:
    made = report(blocks.compile_graph(text), 6, batch=2, dtype="float32")
    for name in ("parameters", "forward", "decode", "state_bytes"):
        assert sum(getattr(row.costs, name) for row in made.rows) == getattr(made.total, name)


def test_what_is_shared_is_one_and_the_same(text: str) -> None:
    model, plan = blocks.build(text), blocks.load(text).plan()
    assert plan.shares
    for share in plan.shares:
        assert model.get_submodule(share.path) is model.get_submodule(share.owner)
        assert share.parameters == sum(p.numel() for p in model.get_submodule(share.owner).parameters())


@pytest.mark.parametrize("name", sorted(MODELS.keys() - {"adapters"}))
def test_gradients_of_all_uses_meet(name: str) -> None:
    """The gradient of shared parameters is the sum over a model in which each use has parameters of its own."""
    text = MODELS[name]
    model = stirred(text)
    alone = "".join(line for line in text.splitlines(keepends=True) if "adapter" not in line)
    alone = re.sub(r"(, )?share: \w+", "", alone.replace("tied: true", "tied: false"))
    apart = blocks.build(alone, dtype="float64")
    apart.load_state_dict(model.state_dict())
    for each in (model, apart.eval()):
        run(each, text).square().sum().backward()
    uses: dict[torch.Tensor, list[str]] = {}
    for path, parameter in model.named_parameters(remove_duplicate=False):
        uses.setdefault(parameter, []).append(path)
    own = dict(apart.named_parameters())
    assert sum(len(paths) for paths in uses.values()) == len(own) > len(uses)
    for parameter, paths in uses.items():
        torch.testing.assert_close(parameter.grad, torch.stack([own[path].grad for path in paths]).sum(0))


@torch.no_grad()
def test_every_use_has_a_state_of_its_own(text: str) -> None:
    model = stirred(text)
    tokens = torch.arange(12).view(2, 6) % 16
    before = (tokens,) * (streams(text) - 1)
    whole, _ = model(*before, tokens)
    found, state = model(*before, tokens[:, :3])
    steps = [found]
    for at in range(3, 6):
        found, state = model(*(None,) * len(before), tokens[:, at : at + 1], state)
        steps.append(found)
    torch.testing.assert_close(torch.cat(steps, 1), whole)


@torch.no_grad()
def test_the_folder_and_the_lock_give_the_same_model(text: str, tmp_path: Path) -> None:
    graph, registry = blocks.compile_graph(text), blocks.Registry.installed()
    model = stirred(text, "float32")
    write_folder(model, graph, tmp_path / "out", seed=0, picture=None, registry=registry)
    again = blocks.from_pretrained(tmp_path / "out").eval()
    assert torch.equal(run(again, text), run(model, text))
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["parameters"] == sum(
        parameter.numel() for parameter in again.parameters()
    )
    locked = build_module(blocks.compile_graph(lock(blocks.load(text).plan(), registry))).eval()
    assert torch.equal(run(locked, text), run(blocks.build(text).eval(), text))


def test_a_state_dict_goes_into_another_model(text: str) -> None:
    model = stirred(text)
    other = blocks.build(text, seed=1, dtype="float64").eval()
    other.load_state_dict(model.state_dict())
    assert torch.equal(run(other, text), run(model, text))


def test_seeds_decide_and_devices_do_not(text: str) -> None:
    one, two, other = (blocks.build(text, seed=seed) for seed in (5, 5, 6))
    pairs = list(zip(one.parameters(), two.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert not all(torch.equal(a, c) for a, _, c in pairs)
    meta = blocks.build(text, device="meta")
    assert all(parameter.is_meta for parameter in meta.parameters())
    assert [p.shape for p in meta.parameters()] == [p.shape for p in one.parameters()]


@torch.no_grad()
def test_factors_are_those_of_each_use() -> None:
    text = MODELS["factors"]
    model = stirred(text)
    x = torch.randn(1, 3, 8, dtype=torch.float64)
    full, half = (model.layers[at](x)[0] - x for at in (0, 1))
    torch.testing.assert_close(half, 0.5 * full)


@torch.no_grad()
def test_adapters_are_those_of_each_use() -> None:
    model = stirred(MODELS["adapters"])
    adapters = [model.layers[at].adapter for at in (0, 2, 4, 5)]
    assert len({id(adapter) for adapter in adapters}) == 4
    assert len({id(model.layers[at].mixer) for at in (0, 2, 4, 5)}) == 1
    x = torch.randn(1, 3, 8, dtype=torch.float64)
    ranks = [sum(p.numel() for p in adapter.parameters()) for adapter in adapters]
    assert ranks == [32, 48, 32, 48]
    for at, adapter in zip((0, 2, 4, 5), adapters, strict=True):
        layer = model.layers[at]
        h = layer.norm(x)
        torch.testing.assert_close(layer(x)[0], x + layer.mixer(h)[0] + adapter(h)[0])


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        (
            "whole",
            [
                "for i in range(2, 7, 2):  # one set of parameters",
                "    self.layers[i] = self.layers[0]",
                "for i in range(3, 8, 2):  # one set of parameters",
                "    self.layers[i] = self.layers[1]",
                "self.head.weight = self.embed.weight",
            ],
        ),
        (
            "streams",
            [
                "for i in (2, 4):  # one set of parameters",
                "    self.encoder.layers[i] = self.encoder.layers[0]",
                "for i in (3, 5):  # one set of parameters",
                "    self.encoder.layers[i] = self.encoder.layers[1]",
                "for i in (2, 5):  # one set of parameters",
                "    self.decoder.layers[i] = self.encoder.layers[1]",
                "self.decoder.layers[3] = self.decoder.layers[0]",
                "self.decoder.layers[4] = self.decoder.layers[1]",
                "self.decoder.embed = self.encoder.embed",
                "self.decoder.head.weight = self.decoder.embed.weight",
            ],
        ),
        (
            "adapters",
            [
                "for i in (2, 4, 5):  # one set of parameters",
                "    self.layers[i].mixer = self.layers[0].mixer",
                "    self.layers[i].norm = self.layers[0].norm",
                "self.head.weight = self.embed.weight",
            ],
        ),
        (
            "slots",
            [
                "self.layers[4] = self.layers[1]",
                "for i in range(1, 6, 2):  # one set of parameters",
                '    self.get_submodule(f"layers.{i}.q").position = self.get_submodule("layers.0.mixer.position")',
                'self.get_submodule("layers.2.mixer").position = self.get_submodule("layers.0.mixer.position")',
                "for i in (3, 5):  # one set of parameters",
                '    self.get_submodule(f"layers.{i}.q_2").position = self.get_submodule("layers.0.mixer.position")',
                "self.head.weight = self.embed.weight",
            ],
        ),
    ],
)
def test_the_lines(name: str, lines: list[str]) -> None:
    assert list(share_lines(blocks.compile_graph(MODELS[name]))) == lines


@pytest.mark.parametrize(
    ("indices", "text"),
    [
        ((3,), "(3,)"),
        ((3, 5), "(3, 5)"),
        ((1, 2, 3), "range(1, 4)"),
        ((2, 8, 14), "range(2, 15, 6)"),
        ((2, 5, 11), "(2, 5, 11)"),
    ],
)
def test_numbers(indices: tuple[int, ...], text: str) -> None:
    assert numbers(indices) == text
    assert tuple(eval(text)) == indices
