"""`blocks tokenizer extend`: new rows are means of old pieces, and nothing that was known changes by a bit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import blocks
from blocks.cli import main
from blocks_tokenizers.resize import with_vocabulary

from .learning import TEXTS, learnt

RECIPE = """\
recipe: small
d_model: 32
vocab_size: 300
tokenizer: bpe
blocks:
  attention: {mixer: multi_head, n_heads: 2, position: rope}
  mamba2: {mixer: mamba2, n_heads: 4, head_dim: 16, d_state: 8}
model:
  - embed: tokens
  - stack: {layers: [attention, mamba2]}
  - norm: rmsnorm
  - head: {lm: {tied: TIED, bias: BIAS}}
"""
HEADS = {"tied": ("true", "false"), "untied": ("false", "false"), "biased": ("false", "true")}
NEW = ["Київ", " свобода", "<mask>"]


def extend(*arguments: object) -> int:
    return main(["tokenizer", "extend", *map(str, arguments), "--add", *NEW[:2], "--role", f"mask={NEW[2]}"])


def written(folder: Path, text: str, size: int = 300, dtype: str = "float32") -> nn.Module:
    """A build folder with a tokenizer of `size` ids, and biases that are not zero."""
    model = blocks.build(text, seed=3, dtype=dtype)
    for name, parameter in model.named_parameters():
        if name == "head.bias":
            nn.init.normal_(parameter)
    graph = blocks.compile_graph(text, dtype=dtype)
    blocks.save_build(model, graph, folder, coder=learnt("bpe", size))
    return model.eval()


def recipe(kind: str) -> str:
    tied, bias = HEADS[kind]
    return RECIPE.replace("TIED", tied).replace("BIAS", bias)


def scores(model: nn.Module, tokens: Tensor) -> Tensor:
    """Logits by a sum over the width for each row alone: a library's product may round by the number of rows."""
    plan = blocks.load(str(model.recipe)).plan()
    body, _ = blocks.split_heads(model, plan)
    head = dict(model.named_modules())["head"]
    hidden: Tensor = body(tokens)[0]
    found = (hidden.unsqueeze(-2) * head.weight).sum(-1)
    return found if getattr(head, "bias", None) is None else found + head.bias


@pytest.mark.parametrize("kind", HEADS)
@torch.no_grad()
def test_what_was_known_keeps_every_bit(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = written(tmp_path / "old", recipe(kind))
    assert extend(tmp_path / "old", "-o", tmp_path / "new", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    larger, coder = blocks.from_pretrained(tmp_path / "new").eval(), blocks.open_tokenizer(tmp_path / "new")
    old, new = model.state_dict(), larger.state_dict()
    rows = {"embed.weight", "head.weight"} | ({"head.bias"} if kind == "biased" else set())
    assert set(said["resized"]) == rows
    assert said["parameters"] == sum(parameter.numel() for parameter in larger.parameters())
    for name, tensor in new.items():
        assert torch.equal(tensor[: len(old[name])] if name in rows else tensor, old[name])
    pieces = [learnt("bpe", 300).encode(token) for token in NEW]
    for name in rows:
        means = torch.stack([old[name][some].double().mean(0).float() for some in pieces])
        assert torch.equal(new[name][300:], means)
    assert (new["embed.weight"].data_ptr() == new["head.weight"].data_ptr()) == (kind == "tied")
    assert [coder.encode(token) for token in NEW] == [[300], [301], [302]]
    assert coder.roles == {"eos": 0, "mask": 302}

    tokens = torch.tensor([learnt("bpe", 300).encode(text)[:40] for text in TEXTS])
    assert torch.equal(tokens, torch.tensor([coder.encode(text)[:40] for text in TEXTS]))
    assert torch.equal(scores(larger, tokens)[..., :300], scores(model, tokens))
    torch.testing.assert_close(larger(tokens)[0][..., :300], model(tokens)[0], rtol=0, atol=1e-6)


@torch.no_grad()
def test_rows_that_are_there_already_are_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = written(tmp_path / "old", recipe("tied").replace("300", "301"), dtype="bfloat16")
    assert extend(tmp_path / "old", "-o", tmp_path / "new") == 0
    assert (
        "303 ids, 3 of them new\n    300  Київ\n    301  ·свобода\n    302  <mask>\nrows     303 in embed"
        in (capsys.readouterr().out)
    )
    larger = blocks.from_pretrained(tmp_path / "new")
    old, new = model.state_dict()["embed.weight"], larger.state_dict()["embed.weight"]
    assert new.dtype == torch.bfloat16
    assert torch.equal(new[:300], old[:300])
    mean = old[learnt("bpe", 300).encode("Київ")].double().mean(0).bfloat16()
    assert torch.equal(new[300], mean)
    assert not torch.equal(new[300], old[300])


@torch.no_grad()
def test_room_that_is_large_enough_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = written(tmp_path / "old", recipe("tied").replace("300", "320"))
    assert extend(tmp_path / "old", "-o", tmp_path / "new") == 0
    larger = blocks.from_pretrained(tmp_path / "new")
    old, new = model.state_dict()["embed.weight"], larger.state_dict()["embed.weight"]
    assert len(new) == 320
    assert torch.equal(new[:300], old[:300])
    assert torch.equal(new[303:], old[303:])
    assert torch.equal(new[301], old[learnt("bpe", 300).encode(" свобода")].double().mean(0).float())


def test_the_lock_says_what_is_there(tmp_path: Path) -> None:
    written(tmp_path / "old", recipe("tied"))
    assert extend(tmp_path / "old", "-o", tmp_path / "new") == 0
    plan = blocks.load(tmp_path / "new" / "recipe.lock.yaml").plan()
    assert plan.sizes.vocab_size == 303
    assert plan.tokenizer is not None
    assert (plan.tokenizer.name, plan.tokenizer.vocab_size) == ("file", 303)
    manifest = json.loads((tmp_path / "new" / "manifest.json").read_text())
    assert "tokenizer/tokenizer.json" in manifest["files"]
    assert (
        main(["tokenizer", "extend", str(tmp_path / "new"), "--add", "Харків", "-o", str(tmp_path / "more")])
        == 0
    )
    assert blocks.open_tokenizer(tmp_path / "more").encode("КиївХарків") == [300, 303]


def test_bytes_are_extended_too(tmp_path: Path) -> None:
    text = recipe("tied").replace("vocab_size: 300\ntokenizer: bpe", "tokenizer: byte")
    (tmp_path / "r.yaml").write_text(text)
    assert main(["build", str(tmp_path / "r.yaml"), "-o", str(tmp_path / "old")]) == 0
    assert extend(tmp_path / "old", "-o", tmp_path / "new") == 0
    coder = blocks.open_tokenizer(tmp_path / "new")
    assert coder.encode("aКиїв<mask>") == [97, 256, 258]
    assert coder.roles == {"pad": 0, "eos": 0, "mask": 258}


def test_what_an_import_left_beside_it_stays(tmp_path: Path) -> None:
    folder = tmp_path / "beside"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "gpt2", "eos_token_id": 0}')
    text = recipe("tied").replace("tokenizer: bpe\n", "")
    blocks.save_build(
        blocks.build(text), blocks.compile_graph(text), tmp_path / "old", coder=learnt("bpe", 300),
        beside={"tokenizer/config.json": folder / "config.json"},
    )  # fmt: skip
    assert extend(tmp_path / "old", "-o", tmp_path / "new") == 0
    assert "eos_token_id" in (tmp_path / "new" / "tokenizer" / "config.json").read_text()
    assert blocks.open_tokenizer(tmp_path / "new").vocab_size == 303


def test_a_tokenizer_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "old").mkdir()
    learnt("wordpiece").save(tmp_path / "old")
    (tmp_path / "names.txt").write_text("Kyiv\nKharkiv\n")
    arguments = ["tokenizer", "extend", str(tmp_path / "old"), "--file", str(tmp_path / "names.txt"), "-o"]
    assert main([*arguments, str(tmp_path / "new")]) == 0
    coder = blocks.open_tokenizer(tmp_path / "new")
    size = learnt("wordpiece").vocab_size
    assert coder.encode("Kyiv and Kharkiv")[::2] == [size, size + 1]
    assert coder.roles == learnt("wordpiece").roles
    capsys.readouterr()
    assert main([*arguments, str(tmp_path / "new")]) == 1
    assert "add --force" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--add", "Kyiv", "Kyiv"], 1, "B1210", ),
        (["--add", " and"], 1, "' and' is a token already"),
        (["--add", "<|endoftext|>"], 1, "is a token already"),
        (["--add", ""], 1, "without a character"),
        (["--add", "\udc80"], 1, "B1207"),
        (["--role", "eos=<e>"], 1, "the role eos has a token"),
        (["--role", "end=<e>"], 2, "gives no role a token"),
        (["--role", "mask"], 2, "gives no role a token"),
        ([], 2, "no token is given"),
    ],
)  # fmt: skip
def test_what_cannot_be_added(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, says: str
) -> None:
    (tmp_path / "old").mkdir()
    learnt("bpe").save(tmp_path / "old")
    assert (
        main(["tokenizer", "extend", str(tmp_path / "old"), *arguments, "-o", str(tmp_path / "new")]) == code
    )
    assert says in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_the_newest_checkpoint_of_a_run_is_extended(tmp_path: Path) -> None:
    for step in ("00000001", "00000002"):
        written(tmp_path / "run" / "checkpoints" / f"step-{step}", recipe("tied"))
    assert extend(tmp_path / "run", "-o", tmp_path / "new") == 0
    assert blocks.open_tokenizer(tmp_path / "new").vocab_size == 303


def test_a_checkpoint_of_another_library(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    learnt("bpe").save(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert main(["tokenizer", "extend", str(tmp_path), "--add", "Kyiv", "-o", str(tmp_path / "new")]) == 2
    assert "blocks import" in capsys.readouterr().err


def test_every_place_of_the_size_is_changed() -> None:
    canonical = str(blocks.build(recipe("untied"), device="meta").recipe)
    assert canonical.count("300") == 3
    changed = with_vocabulary(canonical, 300, 333)
    plan = changed.plan()
    assert plan.sizes.vocab_size == 333
    assert [
        stage.component.vocab_size for stage in plan.stages if hasattr(stage.component, "vocab_size")
    ] == [333, 333]
