"""`blocks export --to hf`: a folder that transformers loads by itself, tokenizer included."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import blocks
from blocks.cli import main

TEXT = """\
recipe: bytes
d_model: 32
tokenizer: byte
blocks:
  mamba2: {mixer: mamba2, n_heads: 2, head_dim: 16, d_state: 8}
  attention: {mixer: multi_head, n_heads: 2, position: rope, qk_norm: rmsnorm}
model:
  - embed: tokens
  - stack: {layers: [mamba2, attention], residual: sandwich}
  - norm: rmsnorm
  - head: {lm: {tied: true}}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe of no family, with a tokenizer."""
    path = tmp_path / "bytes.yaml"
    path.write_text(TEXT)
    return path


def export(*arguments: object) -> int:
    return main(["export", *map(str, arguments)])


@torch.no_grad()
def test_a_recipe_of_no_family(recipe, tmp_path, capsys):
    out = tmp_path / "out"
    assert export(recipe, "--to", "hf", "-o", out, "--seed", 4, "--dtype", "bfloat16") == 0
    assert (
        "type       blocks, BlocksForCausalLM\ntokenizer  byte, 256 ids; pad is 0, eos is 0\n"
        in capsys.readouterr().out
    )
    assert {path.name for path in out.iterdir()} == {
        "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"
    }  # fmt: skip
    model, ids = blocks.build(TEXT, seed=4, dtype="bfloat16").eval(), torch.arange(40).view(2, 20)
    assert torch.equal(AutoModelForCausalLM.from_pretrained(out)(ids).logits, model(ids)[0])


def test_bytes_are_tokens(recipe, tmp_path):
    assert export(recipe, "--to", "hf", "-o", tmp_path / "out") == 0
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    text = "".join(map(chr, range(1, 0x250))) + " \n\t 文字 🙂"
    ids = tokenizer(text).input_ids
    assert ids == list(text.encode())
    assert tokenizer.decode(ids) == text
    assert (len(tokenizer), tokenizer.pad_token_id, tokenizer.eos_token_id) == (256, 0, 0)


@torch.no_grad()
def test_a_build_folder_with_a_tokenizer(recipe, tmp_path):
    build, out = tmp_path / "build", tmp_path / "out"
    assert main(["build", str(recipe), "-o", str(build), "--seed", "9"]) == 0
    (build / "tokenizer").mkdir()
    (build / "tokenizer" / "config.json").write_text(
        '{"model_type": "llama", "eos_token_id": 7, "pad_token_id": 8}'
    )
    (build / "tokenizer" / "merges.txt").write_text("merges")
    assert export(build, "--to", "hf", "-o", out) == 0
    assert (out / "merges.txt").read_text() == "merges"
    config = json.loads((out / "config.json").read_text())
    assert (config["model_type"], config["eos_token_id"], config["pad_token_id"]) == ("blocks", 7, 8)
    run, ids = AutoModelForCausalLM.from_pretrained(out), torch.arange(40).view(2, 20)
    assert (run.generation_config.eos_token_id, run.generation_config.pad_token_id) == (7, 8)
    assert torch.equal(run(ids).logits, blocks.from_pretrained(build).eval()(ids)[0])


@torch.no_grad()
def test_a_trained_tokenizer_ends_texts_there_too(tmp_path):
    text = TEXT.replace("tokenizer: byte", "vocab_size: 300\ntokenizer: {bpe: {pad: <pad>}}")
    plan, model = blocks.load(text).plan(), blocks.build(text)
    coder = plan.tokenizer.train(["the cat sat on the mat, and the dog sat on the cat\n"] * 3)
    blocks.save_build(model, blocks.compile_graph(text), tmp_path / "build", coder=coder)
    assert export(tmp_path / "build", "--to", "hf", "-o", tmp_path / "out") == 0
    run = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert (run.generation_config.pad_token_id, run.generation_config.eos_token_id) == (0, 1)
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id) == (0, 1)
    ids = tokenizer("the dog sat", return_tensors="pt").input_ids
    assert ids.tolist() == [coder.encode("the dog sat")]
    assert (run(ids).logits - model.eval()(ids)[0]).abs().max() == 0


@torch.no_grad()
def test_a_recipe_of_a_family_is_written_as_that(tmp_path, capsys):
    assert export("gpt2-tiny", "--to", "hf", "-o", tmp_path / "out") == 0
    assert "type       gpt2, GPT2LMHeadModel\n" in capsys.readouterr().out
    run, ids = AutoModelForCausalLM.from_pretrained(tmp_path / "out").eval(), torch.arange(40).view(2, 20)
    wanted = blocks.build("gpt2-tiny").eval()(ids)[0]
    assert type(run).__name__ == "GPT2LMHeadModel"
    assert (run(ids).logits - wanted).abs().max() < 2e-5 * wanted.abs().max()
    assert run.generation_config.eos_token_id is None


def test_nothing_is_left_where_it_cannot_be(tmp_path, capsys):
    recipe = tmp_path / "r.yaml"
    recipe.write_text(TEXT.replace("  - embed: tokens", "  - embed: {tokens: {scale: 2.0}}"))
    folder = tmp_path / "outs"
    folder.mkdir()

    def broken(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("blocks_hf.exporter.save_checkpoint", broken)
        assert export(recipe, "--to", "hf", "-o", folder / "out") == 1
    assert "No space left on device" in capsys.readouterr().err
    assert list(folder.iterdir()) == []
