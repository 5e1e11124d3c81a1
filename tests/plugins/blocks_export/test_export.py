"""ONNX and PT2: any batch and length, one file or a folder, and nothing that is wrong."""

import sys

import onnx
import pytest
import torch

import blocks
from blocks.cli import main

HYBRID = """\
recipe: hybrid
d_model: 32
vocab_size: 100
blocks:
  mamba2: {mixer: mamba2, n_heads: 2, head_dim: 16, d_state: 8, chunk_size: 16}
  window: {mixer: sliding_window, n_heads: 2, window: 8, position: rope}
model:
  - embed: tokens
  - stack: {layers: [mamba2, window]}
  - norm: rmsnorm
  - head: lm
"""
PAIR = """\
recipe: pair
d_model: 32
vocab_size: 100
blocks:
  reader: {mixer: multi_head, n_heads: 2, mask: bidirectional}
  writer: {mixer: grouped_query, n_heads: 2, n_kv_heads: 1, position: alibi}
  cross: {mixer: multi_head, n_heads: 2, memory: encoder}
model:
  encoder: [{embed: {tokens: {n_types: 2}}}, {position: {learned: {max_len: 90}}}, {stack: {layers: [reader]}}]
  decoder: [{embed: tokens}, {stack: {layers: [writer, cross]}}, {heads: {words: lm, vectors: hidden}}]
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The recipes, and what was exported of them."""
    folder = tmp_path_factory.mktemp("exports")
    (folder / "hybrid.yaml").write_text(HYBRID)
    (folder / "pair.yaml").write_text(PAIR)
    for name, out in (("hybrid", "hybrid.onnx"), ("hybrid", "hybrid.pt2"), ("pair", "pair")):
        kind = "pt2" if out.endswith("pt2") else "onnx"
        arguments = [
            "export",
            str(folder / f"{name}.yaml"),
            "--to",
            kind,
            "-o",
            str(folder / out),
            "--seed",
            "3",
        ]
        assert main(arguments) == 0
    return folder


def cases(longest=200):
    for batch, length in ((1, 1), (2, 15), (5, min(longest, 161))):
        ids = torch.randint(100, (batch, length), generator=torch.Generator().manual_seed(length))
        mask = torch.ones_like(ids)
        mask[0, : length // 2] = 0
        yield ids, mask


def close(got, wanted, mask=None):
    real = mask.bool() if mask is not None else ...
    return (got - wanted)[real].abs().max() <= 1e-5 * wanted.abs().max()


@torch.no_grad()
def test_a_hybrid_in_onnxruntime(files):
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(files / "hybrid.onnx", providers=["CPUExecutionProvider"])
    assert [(i.name, i.shape) for i in session.get_inputs()] == [
        ("input_ids", ["batch", "length"]), ("attention_mask", ["batch", "length"])
    ]  # fmt: skip
    model = blocks.build(HYBRID, seed=3).eval()
    for ids, mask in cases():
        (got,) = session.run(["logits"], {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})
        assert close(torch.from_numpy(got), model(ids, None, mask.bool())[0], mask)


@torch.no_grad()
def test_a_hybrid_as_a_program(files):
    program = torch.export.load(files / "hybrid.pt2").module()
    model = blocks.build(HYBRID, seed=3).eval()
    for ids, mask in cases():
        (got,) = program(input_ids=ids, attention_mask=mask)
        assert close(got, model(ids, None, mask.bool())[0], mask)


@torch.no_grad()
def test_two_streams_with_types_and_two_heads(files):
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(files / "pair" / "model.onnx", providers=["CPUExecutionProvider"])
    assert [each.name for each in session.get_outputs()] == ["words", "vectors"]
    model = blocks.build(PAIR, seed=3).eval()
    for ids, mask in cases(90):
        target = ids.flip(1)[:, : ids.shape[1] // 2 + 1]
        given = {
            "input_ids": ids,
            "attention_mask": mask,
            "decoder_input_ids": target,
            "token_type_ids": ids % 2,
        }
        given["decoder_attention_mask"] = torch.ones_like(target)
        outputs = session.run(None, {name: value.numpy() for name, value in given.items()})
        wanted, _ = model(ids, target, None, mask.bool(), None, source_types=ids % 2)
        for got, ours in zip(outputs, wanted.values(), strict=True):
            assert close(torch.from_numpy(got), ours)


def test_large_weights_stand_beside_the_graph(files, monkeypatch, capsys):
    monkeypatch.setattr("blocks_export.onnx.ONE_FILE", 1000)
    recipe = str(files / "small.yaml")
    (files / "small.yaml").write_text(HYBRID.replace("[mamba2, window]", "[window]"))
    assert main(["export", recipe, "--to", "onnx", "-o", str(files / "small")]) == 0
    assert {path.name for path in (files / "small").iterdir()} == {"model.onnx", "model.onnx.data"}
    onnx.checker.check_model(files / "small" / "model.onnx")
    assert main(["export", recipe, "--to", "onnx", "-o", str(files / "small.onnx")]) == 1
    assert "error[B1103]: the weights are too large for one file" in capsys.readouterr().err
    assert not [path for path in files.iterdir() if "small.onnx" in path.name]


def test_a_library_that_is_missing(files, monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert main(["export", "gpt2-tiny", "--to", "onnx", "-o", str(tmp_path / "out")]) == 1
    shown = capsys.readouterr().err
    assert "error[B0806]: exporting to onnx needs onnxruntime" in shown
    assert "pip install 'blocks-dsl[onnx]'" in shown
    assert list(tmp_path.iterdir()) == []


def test_what_torch_cannot_trace_is_said_with_its_reason(capsys, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise RuntimeError("cannot trace this\nand much more")

    monkeypatch.setattr(torch.export, "export", refuse)
    assert main(["export", "gpt2-tiny", "--to", "pt2", "-o", str(tmp_path / "out")]) == 1
    assert "error[B1103]: torch.export refuses gpt2-tiny: cannot trace this\n" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
