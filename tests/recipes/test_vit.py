"""ViT: transformers' logits, what it costs, and every command over a recipe whose stream reads pixels."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import ViTConfig, ViTForImageClassification, ViTModel

import blocks
from blocks.cli import main
from blocks_compiler.backends.report import report
from blocks_compiler.conformance.cost import count_flops

SIZES = {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 256, "image_size": 32,
    "patch_size": 8, "attn_implementation": "eager", "layer_norm_eps": 1e-6,
}  # fmt: skip


def stirred(model: Any) -> Any:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return model.eval()


def renamed(theirs: dict[str, Tensor], layers: int) -> dict[str, Tensor]:
    """Weights under the names of the recipe's model."""
    plain = {
        "embed": "embeddings.patch_embeddings.projection",
        "norm": "layernorm",
        "heads.pooled": "pooler.dense",
        "head.proj": "classifier",
    }
    ours = {
        "embed.class_token": theirs["embeddings.cls_token"].flatten(),
        "position.weight": theirs["embeddings.position_embeddings"][0],
    }
    for at in range(layers):
        here, attention, ffn = f"layers.{at}", f"layers.{2 * at}", f"layers.{2 * at + 1}"
        plain |= {
            f"{attention}.norm": f"{here}.layernorm_before",
            f"{attention}.mixer.out_proj": f"{here}.attention.o_proj",
            f"{ffn}.norm": f"{here}.layernorm_after",
            f"{ffn}.mixer.in_proj": f"{here}.mlp.fc1",
            f"{ffn}.mixer.out_proj": f"{here}.mlp.fc2",
        }
        for kind in ("weight", "bias"):
            rows = [theirs[f"{here}.attention.{name}_proj.{kind}"] for name in "qkv"]
            ours[f"{attention}.mixer.qkv_proj.{kind}"] = torch.cat(rows)
    for mine, name in plain.items():
        ours |= {f"{mine}.{k}": theirs[f"{name}.{k}"] for k in ("weight", "bias") if f"{name}.{k}" in theirs}
    return ours


def parameters_by_hand(d_model: int, layers: int, vectors: int, patch: int, classes: int) -> int:
    """Attention 4 D (D + 1), FFN 8 D² + 5 D, a norm 2 D, a map of patches, a vector each, the classes."""
    layer = 4 * d_model * (d_model + 1) + 8 * d_model**2 + 5 * d_model + 4 * d_model
    embedding = (3 * patch**2 + 1) * d_model + d_model + vectors * d_model
    return embedding + layers * layer + 2 * d_model + (d_model + 1) * classes


def test_parameters_are_those_published() -> None:
    assert (
        blocks.load("vit-base-16").plan().parameters
        == 86_567_656
        == parameters_by_hand(768, 12, 197, 16, 1000)
    )
    model = blocks.build("vit-base-16", device="meta")
    assert sum(parameter.numel() for parameter in model.parameters()) == 86_567_656


@torch.no_grad()
@pytest.mark.parametrize("rows", [1, 3])
def test_logits_are_transformers(rows: int) -> None:
    theirs = stirred(ViTForImageClassification(ViTConfig(**SIZES, num_labels=10)))
    found = {name.removeprefix("vit."): value for name, value in theirs.state_dict().items()}
    ours = blocks.build("vit-tiny")
    ours.load_state_dict(renamed(found, 2))
    pixels = torch.randn(rows, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    expected = theirs(pixels).logits
    assert (ours(pixels)[0] - expected).abs().max() <= 2e-5 * expected.abs().max()


@torch.no_grad()
def test_states_and_pooled_vectors_are_transformers() -> None:
    theirs = stirred(ViTModel(ViTConfig(**SIZES)))
    text = (Path(blocks.load("vit-tiny").document.file)).read_text(encoding="utf-8")  # type: ignore[union-attr]
    ours = blocks.build(text.partition("  - head:")[0] + "  - heads: {states: hidden, pooled: pooler}\n")
    ours.load_state_dict(renamed(theirs.state_dict(), 2))
    pixels = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    outputs, expected = ours(pixels)[0], theirs(pixels)
    for name, value in (("states", expected.last_hidden_state), ("pooled", expected.pooler_output)):
        assert (outputs[name] - value).abs().max() <= 2e-5 * value.abs().max()


@pytest.mark.parametrize("name", ["vit-tiny", "vit-base-16"])
def test_flops_are_those_that_torch_counts(name: str) -> None:
    model = blocks.build(name, device="meta")
    side = 32 if name == "vit-tiny" else 224
    counted, (logits, _) = count_flops(model, torch.empty(1, 3, side, side, device="meta"))
    assert logits.shape == (1, 10 if name == "vit-tiny" else 1000)
    for context in (1, 17, 4096):
        found = report(blocks.compile_graph(name), context)
        assert found.total.forward * found.context == counted
        assert (found.context, found.fixed) == ((17, True) if name == "vit-tiny" else (197, True))
        assert (found.total.decode, found.total.state_bytes) == (0, 0)


def test_an_image_of_another_size_is_refused() -> None:
    model = blocks.build("vit-tiny")
    with pytest.raises(ValueError, match=r"pixels are \[B, 3, 32, 32\], not \[2, 3, 224, 224\]"):
        model(torch.zeros(2, 3, 224, 224))


def test_every_command_reads_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    built, ejected = tmp_path / "built", tmp_path / "vit.py"
    for command, says in (
        (["check", "vit-tiny"], "4 blocks"),
        (["show", "vit-tiny"], "114,250 parameters"),
        (["show", "vit-tiny", "--expanded"], "patches: {image_size: 32, patch_size: 8, channels: 3"),
        (["cost", "vit-tiny", "--context", "8k"], "17 tokens of context"),
        (["cost", "vit-tiny", "gpt2-tiny", "--context", "1k..4k"], "The input of vit-tiny makes 17 tokens"),
        (["explain", "vit-tiny"], "It turns pixels into 17 vectors."),
        (["draw", "vit-tiny", "-o", str(tmp_path / "vit.dot")], "drawn"),
        (["eject", "vit-tiny", "-o", str(ejected)], "class VitTiny"),
        (["build", "vit-tiny", "-o", str(built)], "built"),
        (["build", str(built / "recipe.lock.yaml"), "-o", str(tmp_path / "again")], "again"),
    ):
        assert main(command) == 0, capsys.readouterr().err
        assert says in " ".join(capsys.readouterr().out.split()), command
    assert main(["diff", "vit-base-16", "vit-tiny"]) == 1
    assert "image_size 224 → 32" in " ".join(capsys.readouterr().out.split())
    assert "B 3 32 32" in (tmp_path / "vit.dot").read_text(encoding="utf-8")
    assert "vocab" not in (built / "recipe.lock.yaml").read_text(encoding="utf-8")
    pixels = torch.randn(2, 3, 32, 32)
    expected = blocks.build("vit-tiny")(pixels)[0]
    for folder in (built, tmp_path / "again"):
        torch.testing.assert_close(blocks.from_pretrained(folder)(pixels)[0], expected, rtol=0, atol=0)


def test_json_of_show_and_cost(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "vit-tiny", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parameters"] == 114_250
    assert main(["cost", "vit-tiny", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["flops_per_token"]["decode"] == found["state_bytes"] == 0


def test_it_is_compiled_and_exported_whole() -> None:
    model = blocks.build("vit-tiny").eval()
    pixels = torch.randn(2, 3, 32, 32)
    rows = torch.export.Dim("B", min=1, max=64)
    exported = torch.export.export(model, (pixels,), dynamic_shapes={"pixels": {0: rows}})
    more = torch.randn(5, 3, 32, 32)
    torch.testing.assert_close(exported.module()(more)[0], model(more)[0])
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(pixels)[0], model(pixels)[0])
