"""What generated models say about packed documents, and what they refuse before anything is computed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import blocks
from blocks import Mixer, Position, Registry, hookimpl
from blocks_compiler import compile_plan
from blocks_compiler.backends.module import build_module
from blocks_compiler.backends.packed import refusal
from blocks_compiler.backends.source import generate

DOCUMENTS = torch.tensor([[1, 1, 2, 0, 3]])
RECIPE = """\
recipe: r
d_model: 16
vocab_size: 9
blocks:
  attention: {mixer: multi_head, n_heads: 2}
  leaky: {mixer: leaky}
  both: {parallel: [attention, leaky]}
  shared: {mixer: mlp, share: true, adapter: leaky}
model:
  - embed: tokens
"""
END = "  - norm: rmsnorm\n  - head: lm\n"


class Leaky(Mixer):
    """A gated MLP that does not say that it is packed."""

    module = "blocks_feedforward.module:GatedMLP"

    def call(self, width: int) -> blocks.Call:
        return blocks.Call(self.module, (width,), {"d_ff": 8})


class Counted(Position):
    """Sinusoids that do not say that they are packed."""

    module = "blocks_positions.stream:SinusoidalPositions"


class Plugin:
    @hookimpl
    def register_mixers(self, register: blocks.Register) -> None:
        register("leaky", Leaky)

    @hookimpl
    def register_positions(self, register: blocks.Register) -> None:
        register("counted", Counted)


def graph(text: str) -> blocks.BlockGraph:
    registry = Registry.installed().with_plugin(Plugin())
    return compile_plan(blocks.load(text).plan(registry=registry), registry=registry)


def refused(model: Any, *arguments: Tensor | None) -> str:
    """What a model says to documents; nothing in it may run."""
    for part in model.children():
        part.register_forward_pre_hook(lambda *_: pytest.fail("something ran before the refusal"))
    with pytest.raises(ValueError, match="packed") as raised:
        model(*arguments)
    return str(raised.value)


@pytest.mark.parametrize(
    ("stages", "name"),
    [
        ("  - stack: {layers: [attention, leaky, leaky]}\n" + END, "leaky"),
        ("  - stack: {layers: [both]}\n" + END, "leaky"),
        ("  - stack: {layers: [shared, attention, shared]}\n" + END, "the adapter of shared"),
        ("  - position: counted\n  - stack: {layers: [attention]}\n" + END, "the position counted"),
        (
            "  - stack: {layers: [attention]}\n  - head: {classifier: {pool: last}}\n",
            "the classifier head",
        ),
        (
            "  - stack: {layers: [leaky]}\n  - heads: {a: lm, b: {classifier: {pool: last}}}\n",
            "leaky",
        ),
    ],
)
def test_what_is_not_packed_is_named_before_anything_runs(stages: str, name: str) -> None:
    model: Any = build_module(graph(RECIPE + stages))
    tokens = torch.zeros(1, 5, dtype=torch.int64)
    more = " (and 1 more)" if "heads" in stages else ""
    said = f"{name} cannot keep packed documents apart{more}: a mask has to be bool"
    model(tokens, None, DOCUMENTS > 0)
    assert refused(model, tokens, None, DOCUMENTS) == said


@pytest.mark.parametrize("side", [0, 1])
def test_of_two_streams_both_masks_are_asked_at_once(side: int) -> None:
    model: Any = blocks.build("rnnsearch-tiny")
    tokens = torch.zeros(1, 5, dtype=torch.int64)
    masks: list[Tensor | None] = [None, None]
    masks[side] = DOCUMENTS
    assert refused(model, tokens, tokens, None, *masks).startswith("writer cannot keep")


def test_where_all_are_packed_nothing_is_added() -> None:
    text = generate(blocks.compile_graph("hybrid-tiny")).text
    assert "raise ValueError" not in text[text.index("class HybridTiny(") :]
    assert "numbers the documents packed in a row" in text
    assert "torch.bool" not in text[text.index("class HybridTiny(") :]


def test_a_docstring_offers_no_more_than_the_model_does() -> None:
    for name in ("rnnsearch-tiny", "zoo/bert-like"):
        text = generate(blocks.compile_graph(name)).text
        model = text[text.rindex("(nn.Module):") :]
        assert "documents packed" not in model
        assert "mask.dtype != torch.bool" in model
    assert "number the documents packed in a row" in generate(blocks.compile_graph("transformer-tiny")).text


@pytest.mark.parametrize("length", [10, 60, 90, 400])
def test_lines_stay_short_whatever_is_called_how(length: int) -> None:
    lines = list(refusal(["b" * length, "other"], ["source_mask", "target_mask"]))
    assert all(len(line) <= 110 for line in lines)
    scope: dict[str, Any] = {"torch": torch, "source_mask": None, "target_mask": DOCUMENTS}
    with pytest.raises(ValueError, match="packed") as raised:
        exec("if True:\n" + "\n".join(lines), scope)
    assert (
        str(raised.value)
        == f"{'b' * length} cannot keep packed documents apart (and 1 more): a mask has to be bool"
    )


def test_the_question_breaks_no_graph() -> None:
    model: Any = build_module(graph(RECIPE + "  - stack: {layers: [attention, leaky]}\n" + END))
    tokens = torch.zeros(1, 5, dtype=torch.int64)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    torch.testing.assert_close(
        compiled(tokens, None, DOCUMENTS > 0)[0], model(tokens, None, DOCUMENTS > 0)[0]
    )
