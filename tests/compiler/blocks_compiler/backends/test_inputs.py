"""Inputs besides tokens: an argument of the model for each, a node of the graph, in one stream and in several."""

import inspect
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
import torch

import blocks
from blocks_compiler.backends.diagram import diagram
from blocks_compiler.backends.report import report
from blocks_compiler.conformance.cost import count_flops

ONE = """recipe: typed
d_model: 16
vocab_size: 30
blocks:
  attention: {mixer: multi_head, n_heads: 2, position: rope}
  ffn: {mixer: mlp}
model:
  - embed: {tokens: {n_types: 3}}
  - stack: {depth: 4, cycle: [attention, ffn]}
  - norm: rmsnorm
  - head: lm
"""
TWO = """recipe: typed-twice
d_model: 16
vocab_size: 30
blocks:
  reader: {mixer: multi_head, n_heads: 2, mask: bidirectional}
  writer: {mixer: multi_head, n_heads: 2}
  cross: {mixer: multi_head, n_heads: 2, memory: types}
model:
  types:
    - embed: {tokens: {n_types: 2}}
    - stack: {layers: reader}
  writing:
    - embed: {tokens: {n_types: 2}}
    - stack: {layers: [writer, cross]}
    - head: lm
"""


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def arguments(model: torch.nn.Module) -> list[str]:
    return list(inspect.signature(model.forward).parameters)


def test_types_are_the_last_argument_and_may_be_left_out() -> None:
    model = blocks.build(ONE)
    assert arguments(model) == ["tokens", "state", "mask", "types"]
    tokens = torch.randint(30, (2, 9))
    types = torch.randint(1, 3, (2, 9))
    bare, zero, typed = model(tokens)[0], model(tokens, types=types * 0)[0], model(tokens, types=types)[0]
    torch.testing.assert_close(bare, zero)
    assert (bare - typed).abs().max() > 1e-3
    plain = blocks.build(ONE, seed=0)
    with torch.no_grad():
        plain.embed.types.weight.zero_()
    torch.testing.assert_close(plain(tokens)[0], plain(tokens, types=types)[0])


def test_a_model_without_types_takes_none() -> None:
    model = blocks.build(ONE.replace("{tokens: {n_types: 3}}", "tokens"))
    assert arguments(model) == ["tokens", "state", "mask"]
    with pytest.raises(TypeError, match="types"):
        model(torch.zeros(1, 2, dtype=torch.int64), types=torch.zeros(1, 2, dtype=torch.int64))


@torch.no_grad()
@pytest.mark.parametrize("sizes", [(1,) * 9, (4, 1, 4), (8, 1)])
def test_a_split_takes_the_types_of_its_tokens(sizes: tuple[int, ...]) -> None:
    model = blocks.build(ONE, dtype="float64")
    tokens, types = torch.randint(30, (3, 9)), torch.randint(3, (3, 9))
    mask = torch.arange(9) >= torch.tensor([[0], [2], [5]])
    whole, _ = model(tokens, None, mask, types=types)
    parts, state = [], None
    for t, k, m in zip(*(each.split(list(sizes), 1) for each in (tokens, types, mask)), strict=True):
        y, state = model(t, state, m, types=k)
        parts.append(y)
    torch.testing.assert_close(torch.cat(parts, 1)[mask], whole[mask], rtol=1e-10, atol=1e-10)


@torch.no_grad()
def test_streams_have_types_of_their_own() -> None:
    model = blocks.build(TWO, dtype="float64")
    assert arguments(model) == [
        "source", "target", "state", "source_mask", "target_mask", "source_types", "target_types",
    ]  # fmt: skip
    source, target = torch.randint(30, (2, 6)), torch.randint(30, (2, 5))
    a, b = torch.randint(2, (2, 6)), torch.randint(2, (2, 5))
    a[:, 0] = b[:, 0] = 1
    whole, _ = model(source, target, source_types=a, target_types=b)
    for others in ({}, {"source_types": a}, {"target_types": b}):
        assert (model(source, target, **others)[0] - whole).abs().max() > 1e-7  # float64
    first, state = model(source, target[:, :2], source_types=a, target_types=b[:, :2])
    parts = [first]
    for at in range(2, 5):
        y, state = model(None, target[:, at : at + 1], state, target_types=b[:, at : at + 1])
        parts.append(y)
    torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=1e-10, atol=1e-10)


def test_an_input_is_a_node() -> None:
    graph = blocks.compile_graph(ONE)
    types, embed = graph.node("types"), graph.node("embed")
    assert (types.role, types.outputs[0].dtype, str(types.outputs[0])) == ("input", "int64", "B T")
    assert [(port.name, str(port)) for port in embed.inputs] == [("tokens", "B T"), ("types", "B T")]
    assert graph.sources("embed") == {"tokens": ("tokens", "y"), "types": ("types", "y")}
    text = diagram(graph)
    assert "types -> embed" in text
    assert "<I>types</I>" in text
    both = diagram(blocks.compile_graph(TWO))
    assert '"types.types" -> "types.embed"' in both
    assert '"writing.types" -> "writing.embed"' in both


def test_types_run_compiled_and_exported() -> None:
    model = blocks.build(ONE).eval()
    tokens, types = torch.randint(30, (2, 9)), torch.randint(3, (2, 9))
    length = torch.export.Dim("T", min=2, max=64)
    shapes = {"tokens": {1: length}, "types": {1: length}}
    exported = torch.export.export(model, (tokens,), {"types": types}, dynamic_shapes=shapes)
    longer = torch.randint(30, (2, 13)), torch.randint(3, (2, 13))
    expected, _ = model(longer[0], types=longer[1])
    torch.testing.assert_close(exported.module()(longer[0], types=longer[1])[0], expected)
    torch.testing.assert_close(
        torch.compile(model, backend="eager", fullgraph=True)(tokens, types=types)[0],
        model(tokens, types=types)[0],
    )


# Streams that begin with something else than tokens

CAPTIONS = """recipe: captions
d_model: 16
vocab_size: 30
blocks:
  seer: {mixer: multi_head, n_heads: 2, mask: bidirectional}
  writer: {mixer: multi_head, n_heads: 2}
  cross: {mixer: multi_head, n_heads: 2, memory: image}
model:
  image:
    - embed: {patches: {image_size: 8, patch_size: 4, channels: 1}}
    - position: {learned: {max_len: 5}}
    - stack: {layers: [seer, seer]}
  text:
    - embed: tokens
    - stack: {layers: [writer, cross]}
    - head: lm
"""


@torch.no_grad()
def test_a_decoder_reads_an_image() -> None:
    model = blocks.build(CAPTIONS, dtype="float64")
    assert (model.__doc__, arguments(model)[:2]) == (
        "Pixels of source and token ids of target to logits.",
        ["source", "target"],
    )
    assert "source float [B, 1, 8, 8]" in (model.forward.__doc__ or "")
    assert "mask bool [B, 5]" in (model.image.forward.__doc__ or "")
    pixels, target = torch.randn(2, 1, 8, 8), torch.randint(30, (2, 6))
    whole, _ = model(pixels, target)
    parts, state = [], None
    for at in range(6):
        y, state = model(pixels if at == 0 else None, target[:, at : at + 1], state)
        parts.append(y)
    torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=1e-10, atol=1e-10)
    assert (model(pixels * 2, target)[0] - whole).abs().max() > 1e-9
    assert '"image.pixels" -> "image.embed"' in diagram(blocks.compile_graph(CAPTIONS))


def test_a_fixed_memory_costs_the_same_at_every_context() -> None:
    """The image is encoded once, whatever the length of the text; cross-attention reads its 5 vectors."""
    graph, model = blocks.compile_graph(CAPTIONS), blocks.build(CAPTIONS, device="meta")
    for context in (1, 7, 64):
        pixels = torch.empty(1, 1, 8, 8, device="meta")
        target = torch.empty(1, context, dtype=torch.int64, device="meta")
        counted, _ = count_flops(model, pixels, target=target)
        found = report(graph, context, dtype="float32")
        assert found.total.forward * context == counted
        rows = {row.path: row.costs for row in found.rows}
        assert rows["text.layers.0"].state_bytes == 2 * 16 * context * 4
        assert rows["text.layers.1"].state_bytes == 2 * 16 * 5 * 4
        assert rows["image.layers.0"].state_bytes == 0
        assert found.context == context


def test_shapes_have_the_number_that_the_input_fixes() -> None:
    graph = blocks.compile_graph(CAPTIONS)
    pixels, cross = graph.node("image.pixels").outputs[0], graph.node("text.layers.1.mixer")
    assert (pixels.dtype, str(pixels)) == ("float", "B 1 8 8")
    assert [str(port) for port in cross.inputs] == ["B T d_model", "B 5 d_model"]
    assert str(graph.node("image.layers.0.add").outputs[0]) == "B 5 d_model"


@pytest.mark.parametrize(
    ("stages", "says", "help"),
    [
        ("[{norm: rmsnorm}]", "tokens gives [B T], norm takes [B T d_model]", "begin with `- embed: tokens`"),
        (
            "[{embed: {patches: {image_size: 8, patch_size: 4}}}, {embed: tokens}]",
            "embed gives [B 5 d_model], embed_2 takes [B T]",
            "one `embed` at the beginning makes the stream of the token ids",
        ),
        (
            "[{embed: {tokens: {n_types: 2}}}, {embed: {patches: {image_size: 8, patch_size: 4}}}]",
            "embed gives [B T d_model], embed_2 takes [B 3 8 8]",
            "one `embed` at the beginning makes the stream of the pixels",
        ),
        (
            "[{embed: tokens}, {head: {classifier: {pool: last}}}, {norm: rmsnorm}]",
            "head gives [B 2], norm takes [B T d_model]",
            "a head comes last; several outputs stand under `heads:`",
        ),
    ],
)
def test_stages_in_the_wrong_order(stages: str, says: str, help: str) -> None:
    with pytest.raises(blocks.RecipeError) as caught:
        blocks.compile_graph(f"{{recipe: r, d_model: 16, vocab_size: 30, model: {stages}}}")
    (found,) = caught.value.diagnostics
    assert (found.code, found.message, found.help) == ("B0702", says, help)


FRAMES = '''
from pydantic import Field

from blocks import Cost, D, Embedding, Input, T, hookimpl


class Frames(Embedding):
    """Frames of a spectrogram, one vector each; where somebody speaks, 1 is added."""

    module = "fake_frames_module:FrameEmbedding"

    bands: int = Field(80, gt=0, description="numbers a frame")

    def inputs(self):
        frames = Input("frames", ("B", "T", self.bands), "float")
        return (frames, Input("speech", absent="nobody speaks"))

    def cost(self):
        return Cost(params=self.bands * D + D, flops=2 * self.bands * D * T)


@hookimpl
def register_embeddings(register):
    register("frames", "fake_plugin_frames:Frames", help="frames of a spectrogram")
'''


FRAMES_MODULE = '''
from torch import Tensor, nn


class FrameEmbedding(nn.Linear):
    """A linear map of each frame."""

    def __init__(self, d_model: int, *, bands: int) -> None:
        super().__init__(bands, d_model)

    def forward(self, frames: Tensor, speech: Tensor | None = None) -> Tensor:
        """Return x [B, T, D] of frames float [B, T, C]."""
        x = super().forward(frames)
        return x if speech is None else x + speech[..., None].to(x.dtype)
'''
HEARD = """recipe: heard
d_model: 16
blocks:
  attention: {mixer: multi_head, n_heads: 2}
model:
  - embed: {frames: {bands: 20}}
  - stack: {layers: attention}
  - head: {classifier: {pool: last}}
"""


def test_a_strangers_embedding_says_what_it_reads(
    stranger: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = stranger("frames", FRAMES)
    (folder / "fake_frames_module.py").write_text(FRAMES_MODULE)
    monkeypatch.syspath_prepend(folder)
    registry = blocks.Registry.installed().with_plugin(import_module("fake_plugin_frames"))
    model = blocks.build(HEARD, registry=registry)
    assert arguments(model) == ["frames", "state", "mask", "speech"]
    assert "after frames float [B, T, 20]." in (model.forward.__doc__ or "")
    assert "speech int64 [B, T], None: nobody speaks." in (model.forward.__doc__ or "")
    frames, speech = torch.randn(2, 9, 20), torch.randint(2, (2, 9))
    assert model(frames)[0].shape == (2, 2)
    torch.testing.assert_close(model(frames)[0], model(frames, speech=speech * 0)[0])
    assert not torch.equal(model(frames)[0], model(frames, speech=speech)[0])
    graph = blocks.compile_graph(HEARD, registry=registry)
    assert str(graph.node("frames").outputs[0]) == "B T 20"
    found = report(graph, 64)
    assert (found.context, found.fixed) == (64, False)
