"""Streams: what one reads of another, by steps as a whole, whatever the padding holds and whatever they are called."""

from __future__ import annotations

import ast
from typing import Any

import pytest
import torch
from torch import Tensor

import blocks
from blocks import BlocksError
from blocks_compiler.backends.report import report
from blocks_compiler.backends.source import generate

HEAD = """\
recipe: r
d_model: 8
vocab_size: 16
blocks:
  read:  {mixer: multi_head, n_heads: 2, mask: bidirectional}
  gru:   {mixer: gru, hidden: 6, direction: bidirectional, residual: none}
  write: {mixer: multi_head, n_heads: 2, position: rope}
  cross: {mixer: multi_head, n_heads: 2, n_kv_heads: 1, memory: encoder}
  again: {mixer: multi_head, n_heads: 2, position: rope, kv_from: write}
  both:  {parallel: [write, cross], join: concat, residual: sandwich}
  ffn:   {mixer: mlp, d_ff: 12}
"""
SECOND = "  other: {mixer: multi_head, n_heads: 2, memory: picture}\n  pair: {parallel: [cross, other], join: mean}\n"


def two(encoder: str, decoder: str, head: str = "head: lm") -> str:
    return f"""{HEAD}model:
  encoder:
    - embed: tokens
    - stack: {{layers: "{encoder}"}}
  decoder:
    - embed: tokens
    - stack: {{layers: "{decoder}"}}
    - {head}
"""


THREE = f"""{HEAD}{SECOND}model:
  encoder:
    - embed: tokens
    - stack: {{layers: "read, ffn"}}
  picture:
    - embed: {{tokens: {{vocab_size: 5}}}}
    - stack: {{layers: "cross, gru"}}
  decoder:
    - embed: tokens
    - stack: {{layers: "write, pair, other, again, ffn"}}
    - norm: rmsnorm
    - head: lm
"""
MODELS = {
    "transformer": two("2 x [read, ffn]", "2 x [write, cross, ffn]"),
    "wide": two("read, gru", "2 x [write, both, again]"),
    "heads": two(
        "read", "write, cross", "heads: {words: lm, kind: {classifier: {n_classes: 3, pool: mean}}}"
    ),
    "three": THREE,
}


def stirred(text: str) -> Any:
    model = blocks.build(text, dtype="float64").eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
    return model


def given(text: str) -> list[Tensor]:
    """Token ids of all streams but the last."""
    sources = [torch.tensor([[3, 1, 4, 1, 5], [9, 2, 6, 5, 3]])]
    return sources + [torch.tensor([[0, 4, 1], [2, 3, 3]])] * (text == THREE)


TARGET = torch.arange(14).view(2, 7)


def words(found: Any) -> Tensor:
    logits: Tensor = found["words"] if isinstance(found, dict) else found
    return logits


@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_steps_are_the_whole_and_sources_are_read_once(name: str) -> None:
    text = MODELS[name]
    model, sources = stirred(text), given(MODELS[name])
    whole, _ = model(*sources, TARGET)
    found, state = model(*sources, TARGET[:, :2])
    steps = [words(found)]
    for at in range(2, 7):
        found, state = model(*(None for _ in sources), TARGET[:, at : at + 1], state)
        steps.append(words(found))
    torch.testing.assert_close(torch.cat(steps, 1), words(whole))
    other, _ = model(*(1 + source % 3 for source in sources), TARGET[:, 2:3], state)
    torch.testing.assert_close(
        words(other), words(model(*sources, TARGET[:, 2:3], state)[0])
    )  # not read again


@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_what_stands_in_the_padding_changes_nothing(name: str) -> None:
    text = MODELS[name]
    model, sources = stirred(text), given(MODELS[name])
    masks = [torch.ones_like(source, dtype=torch.bool) for source in sources]
    for mask in masks:
        mask[1, 2:] = False
    padded = [torch.where(mask, source, 0) for mask, source in zip(masks, sources, strict=True)]
    found, _ = model(*sources, TARGET, None, *masks)
    same, _ = model(*padded, TARGET, None, *masks)
    torch.testing.assert_close(words(found), words(same))
    short, _ = model(*(source[1:, :2] for source in sources), TARGET[1:])
    torch.testing.assert_close(words(found)[1:], words(short))
    assert not torch.allclose(words(found)[1:], words(model(*sources, TARGET)[0])[1:])


@torch.no_grad()
def test_a_masked_target() -> None:
    model, sources = stirred(MODELS["transformer"]), given("")
    mask = torch.ones_like(TARGET, dtype=torch.bool)
    mask[0, :3] = False
    found, _ = model(*sources, TARGET, target_mask=mask)
    other, _ = model(*sources, torch.where(mask, TARGET, 1), target_mask=mask)
    torch.testing.assert_close(found[mask], other[mask])


@torch.no_grad()
def test_the_decoder_reads_the_states_of_the_encoder() -> None:
    """The model by hand, of its own parts."""
    model, (source,) = stirred(MODELS["transformer"]), given("")
    memory, x = model.encoder.embed(source), model.decoder.embed(TARGET)
    for layer in model.encoder.layers:
        memory = memory + layer.mixer(layer.norm(memory))[0]
    for at, layer in enumerate(model.decoder.layers):
        more = ((memory, None),) if at % 3 == 1 else ()
        x = x + layer.mixer(layer.norm(x), None, None, *more)[0]
    torch.testing.assert_close(model(source, TARGET)[0], model.decoder.head(x))
    torch.testing.assert_close(model.encoder(source)[0], memory)


def held(state: Any) -> int:
    if isinstance(state, Tensor):
        return state.numel() * (8 if state.dtype == torch.int64 else 0 if state.dtype == torch.bool else 4)
    inner = state.values() if isinstance(state, dict) else state if isinstance(state, tuple | list) else ()
    return sum(map(held, inner))


@pytest.mark.parametrize("name", ["transformer", "wide", "heads"])
@torch.no_grad()
def test_the_state_is_that_of_the_decoder(name: str) -> None:
    model = blocks.build(MODELS[name]).eval()
    tokens = torch.arange(6).view(1, 6)
    _, state = model(tokens, tokens)
    made = report(blocks.compile_graph(MODELS[name]), 6, dtype="float32")
    assert held(state) == made.total.state_bytes > 0
    assert not any(
        row.costs.state_bytes or row.costs.decode for row in made.rows if row.path.startswith("encoder.")
    )
    assert all(row.costs.forward > 0 for row in made.rows if ".layers." in row.path)


def test_flops_are_those_that_torch_counts() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    text = two("read, ffn", "cross, ffn")
    model = blocks.build(text, device="meta")
    tokens = torch.zeros((1, 6), dtype=torch.int64, device="meta")
    with FlopCounterMode(display=False) as counter:
        model(tokens, tokens)
    assert counter.get_total_flops() == report(blocks.compile_graph(text), 6).total.forward * 6


EVERYTHING = {
    **MODELS,
    "shared": HEAD.replace(
        "{mixer: mlp, d_ff: 12}", "{mixer: mlp, d_ff: 12, share: true, adapter: low_rank}"
    ).replace("adapter: low_rank", "adapter: {low_rank: {rank: 2}}")
    + "model:\n  encoder:\n    - embed: {tokens: {share: w}}\n    - stack: {layers: 'read, ffn'}\n"
    "  decoder:\n    - embed: {tokens: {share: w}}\n    - stack: {layers: 'write, cross, ffn, ffn'}\n"
    "    - head: {lm: {tied: true}}\n",
}


def flat(found: Any) -> list[Tensor]:
    return list(found.values()) if isinstance(found, dict) else [found]


@pytest.mark.parametrize("name", EVERYTHING)
@torch.no_grad()
def test_it_compiles_as_one_graph(name: str) -> None:
    torch._dynamo.reset()
    model, sources = stirred(EVERYTHING[name]), given(EVERYTHING[name])
    fast = torch.compile(model, fullgraph=True, backend="eager")
    found, state = fast(*sources, TARGET[:, :4])
    wanted, kept = model(*sources, TARGET[:, :4])
    for one, other in zip(flat(found), flat(wanted), strict=True):
        torch.testing.assert_close(one, other)
    nothing = [None] * len(sources)
    step, _ = fast(*nothing, TARGET[:, 4:5], state)
    torch.testing.assert_close(words(step), words(model(*nothing, TARGET[:, 4:5], kept)[0]))


@pytest.mark.parametrize("name", EVERYTHING)
@torch.no_grad()
def test_it_is_exported(name: str) -> None:
    model, sources = stirred(EVERYTHING[name]), given(EVERYTHING[name])
    program = torch.export.export(model, (*sources, TARGET)).module()
    for one, other in zip(flat(program(*sources, TARGET)[0]), flat(model(*sources, TARGET)[0]), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", EVERYTHING)
def test_on_the_meta_device_nothing_is_allocated(name: str) -> None:
    model: Any = blocks.build(EVERYTHING[name], device="meta")
    assert all(tensor.is_meta for tensor in (*model.parameters(), *model.buffers()))
    found, _ = model(*(tokens.to("meta") for tokens in (*given(EVERYTHING[name]), TARGET)))
    assert words(found).shape == (2, 7, 16)


AWKWARD = [
    "source", "target", "state", "states", "mask", "tokens", "given", "outputs", "old", "new", "i", "x", "y", "h", "kv",
    "layer", "before", "self", "torch", "nn", "zip", "len", "range", "enumerate", "tuple", "layers_state", "embed",
    "target_mask", "write",
]  # fmt: skip


@pytest.mark.parametrize("name", AWKWARD)
@torch.no_grad()
def test_a_stream_may_have_any_name(name: str) -> None:
    usual = two("read, ffn", "write, cross, both, again")
    model = blocks.build(usual.replace("encoder", name)).eval()
    wanted: Any = blocks.build(usual).eval()
    for (_, one), (_, other) in zip(model.named_parameters(), wanted.named_parameters(), strict=True):
        one.copy_(other)
    source = given("")[0]
    found, state = model(source, TARGET[:, :3])
    more, _ = model(None, TARGET[:, 3:], state)
    whole, _ = wanted(source, TARGET)
    torch.testing.assert_close(torch.cat((found, more), 1), whole)


@pytest.mark.parametrize("name", ["items", "keys", "type", "forward", "training", "update"])
def test_a_head_that_a_module_has_no_room_for(name: str) -> None:
    with pytest.raises(BlocksError, match=rf"a head cannot be called '{name}'") as caught:
        blocks.load(two("read", "cross", f"heads: {{{name}: lm}}")).plan()
    assert caught.value.diagnostics[0].help == f"{name}_head:"


def test_every_head_name_that_is_taken_is_refused() -> None:
    from blocks.names import is_reserved_key

    taken = [name for name in dir(torch.nn.ModuleDict()) if not name.startswith("_") and name.islower()]
    assert all(is_reserved_key(name) for name in taken)
    assert not is_reserved_key("class")


@torch.no_grad()
def test_several_heads_read_one_state() -> None:
    model, (source,) = stirred(MODELS["heads"]), given("")
    found, _ = model(source, TARGET)
    assert {name: tuple(output.shape) for name, output in found.items()} == {
        "words": (2, 7, 16),
        "kind": (2, 3),
    }
    text = generate(blocks.compile_graph(MODELS["heads"])).text
    assert "def forward(" in text
    assert "-> tuple[dict[str, Tensor], dict[str, Any]]:" in text


def test_the_forward_of_an_encoder_decoder_reads_as_a_person_would_write_it() -> None:
    text = generate(blocks.compile_graph(MODELS["transformer"])).text
    start = text.index("        encoder: tuple[Tensor, Tensor | None] | None = None\n        if state")
    assert (
        text[start : text.index("\n\n\n", start)]
        == """\
        encoder: tuple[Tensor, Tensor | None] | None = None
        if state is None:
            assert source is not None
            states, _ = self.encoder(source, None, source_mask)
            encoder = (states, source_mask)
        x, after = self.decoder(target, state, target_mask, encoder)
        return x, after"""
    )
    assert "given = (encoder,) if i in (1, 4) else ()" in text


def test_each_length_has_its_letter_and_no_docstring_is_long() -> None:
    long = "a_stream_of_a_long_name"
    text = generate(blocks.compile_graph(blocks.load(THREE.replace("picture", long)))).text
    kinds = (ast.ClassDef, ast.FunctionDef)
    said = [
        ast.get_docstring(node, clean=False) or ""
        for node in ast.walk(ast.parse(text))
        if isinstance(node, kinds)
    ]
    assert max(len(line) for docstring in said for line in docstring.splitlines()) <= 110
    assert "encoder holds the states [B, S, D] of that stream" in text
    flat = " ".join(text.split())
    assert f"{long} holds the states [B, S2, D] of that stream" in flat
    assert f"encoder_tokens int64 [B, S] and {long}_tokens int64 [B, S2]." in flat
    assert "x = self.embed(tokens)  # [B, S2, 8]" in text
    assert ",) if i in" in text
    for line in text.splitlines():
        if " if i in " in line and ", " in line.split(" if ")[0]:
            assert ",)" not in line.split(" if ")[0]
