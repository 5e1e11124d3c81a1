"""Checkpoints of state-space families as they are found: older names, no head, limits; and what no family says."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import blocks
from blocks.published import published
from blocks_compiler.foreign import family_of

transformers = pytest.importorskip("transformers")

SIZES = {"vocab_size": 131, "hidden_size": 48}
MAMBA2 = {**SIZES, "num_hidden_layers": 2, "num_heads": 6, "head_dim": 16, "state_size": 8, "n_groups": 2}
NEMOTRON = {
    **SIZES, "layers_block_type": ["mamba", "mlp", "attention", "mlp"], "mamba_num_heads": 4, "mamba_head_dim": 16,
    "n_groups": 2, "ssm_state_size": 8, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
    "intermediate_size": 64,
}  # fmt: skip
BAMBA = {
    **SIZES, "num_hidden_layers": 2, "attn_layer_indices": [1], "mamba_n_heads": 6, "mamba_d_state": 8,
    "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 64,
}  # fmt: skip
FAMILIES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "mamba": (
        transformers.MambaConfig, transformers.MambaForCausalLM,
        {**SIZES, "num_hidden_layers": 2, "state_size": 8},
    ),
    "mamba2": (transformers.Mamba2Config, transformers.Mamba2ForCausalLM, MAMBA2),
    "nemotron_h": (transformers.NemotronHConfig, transformers.NemotronHForCausalLM, NEMOTRON),
    "bamba": (transformers.BambaConfig, transformers.BambaForCausalLM, BAMBA),
}  # fmt: skip
Tensors = dict[str, torch.Tensor]
TOKENS = torch.arange(4, 24)[None]


def made(family: str, folder: Path, **more: Any) -> Any:
    """A tiny model of a family, saved in a folder; its time steps are above those that transformers raises."""
    config, model, sizes = FAMILIES[family]
    torch.manual_seed(0)
    theirs = model(config(**sizes, **more)).eval()
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            if "norm" in name or name.endswith((".D", ".A_log")):
                parameter += 0.3 * torch.randn_like(parameter)
            elif name.endswith("dt_bias"):
                parameter.fill_(0.5)
    theirs.save_pretrained(folder)
    return theirs


def rewrite(folder: Path, change: Callable[[Tensors], Tensors], **keys: Any) -> None:
    """The tensors of a folder, changed, and keys of its config.json; those that are None are taken out."""
    file = folder / "model.safetensors"
    save_file(change(load_file(file)), file, {"format": "pt"})
    path = folder / "config.json"
    values = json.loads(path.read_text()) | keys
    path.write_text(json.dumps({key: value for key, value in values.items() if value is not None}))


def renamed(old: str, new: str) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {name.replace(old, new): tensor for name, tensor in tensors.items()}


@torch.no_grad()
def same(folder: Path, theirs: Any) -> bool:
    """Whether what is read of a folder gives what a model of theirs gives: logits, or hidden states."""
    outputs = theirs(TOKENS)
    expected = outputs.logits if hasattr(outputs, "logits") else outputs.last_hidden_state
    ours = blocks.from_pretrained(folder)(TOKENS)[0]
    return torch.allclose(ours, expected, atol=1e-5 * float(expected.abs().max()))


OLDER = [
    ("mamba", renamed("embeddings.", "embedding."), {}),
    ("mamba", lambda tensors: {**tensors, "lm_head.weight": tensors["backbone.embeddings.weight"].clone()}, {}),
    ("mamba2", renamed("backbone.embeddings.", "backbone.embedding."), {"rms_norm": True, "norm_before_gate": True}),
    (
        "nemotron_h",
        renamed("backbone.", "model."),
        {"layers_block_type": None, "hybrid_override_pattern": "M-*-", "num_hidden_layers": 4, "rms_norm_eps": 1e-5},
    ),
    (
        "nemotron_h",
        lambda tensors: tensors,
        {
            "head_dim": None, "attention_head_dim": 16, "n_groups": None, "mamba_n_groups": 2, "conv_kernel": None,
            "mamba_d_conv": 4, "mamba_expand": 2, "time_step_limit": None, "mamba_dt_limit": [0.0, float("inf")],
            "mamba_dt_min": 0.001, "mamba_conv_bias": True, "mamba_chunk_size": 256,
        },
    ),
    (
        "bamba",
        lambda tensors: {**tensors, "model.layers.1.self_attn.rotary_emb.inv_freq": torch.ones(3)},
        {"attn_rotary_emb": 6, "rope_parameters": None, "rope_theta": 10000.0, "mamba_d_head": "auto"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("family", "change", "keys"), OLDER)
def test_older_files(family: str, change: Any, keys: dict[str, Any], tmp_path: Path) -> None:
    theirs = made(family, tmp_path)
    rewrite(tmp_path, change, **keys)
    assert same(tmp_path, theirs)


@pytest.mark.parametrize("family", FAMILIES)
def test_without_a_head(family: str, tmp_path: Path) -> None:
    body = made(family, tmp_path).base_model
    body.save_pretrained(tmp_path)
    assert same(tmp_path, body)
    ours, back = blocks.from_pretrained(tmp_path), tmp_path / "back"
    back.mkdir()
    assert blocks.save_checkpoint(ours, back) == family
    assert same(back, transformers.AutoModel.from_pretrained(back))


@pytest.mark.parametrize("limit", [[0.0, 0.02], [0.5, float("inf")], [0.1, 0.3]])
def test_limits_of_the_time_step(limit: list[float], tmp_path: Path) -> None:
    theirs = made("mamba2", tmp_path, time_step_limit=limit)
    assert same(tmp_path, theirs)
    theirs.save_pretrained(tmp_path)
    rewrite(tmp_path, lambda tensors: tensors, time_step_limit=[0.0, float("inf")])
    assert not same(tmp_path, theirs)


def test_limits_are_not_written_where_transformers_forgets_them(tmp_path: Path) -> None:
    made("nemotron_h", tmp_path)
    rewrite(tmp_path, lambda tensors: tensors, time_step_limit=[0.01, 0.2])
    ours, back = blocks.from_pretrained(tmp_path), tmp_path / "back"
    assert "dt_lower: 0.01, dt_upper: 0.2" in (ours.recipe or "").replace("\n          ", "")
    back.mkdir()
    assert blocks.save_checkpoint(ours, back) is None


def test_heads_for_later_tokens_are_left_out(tmp_path: Path) -> None:
    """As in transformers: a separate model that drafts."""
    theirs = made("nemotron_h", tmp_path)
    rewrite(
        tmp_path,
        lambda tensors: {**tensors, "mtp.layers.0.norm.weight": torch.ones(48)},
        num_nextn_predict_layers=1,
    )
    assert same(tmp_path, theirs)


INSIDE = [
    ("mamba-tiny", "d_inner: 128", "d_inner: 100"),  # not a multiple of d_model
    ("mamba2-tiny", "mixer: mamba2", "mixer: mamba2, norm_before_gate: true"),
    ("mamba2-tiny", "mixer: mamba2", "mixer: mamba2, norm_groups: 2"),
    ("mamba2-tiny", "mixer: mamba2", "mixer: mamba2, gated_norm: false"),
    ("mamba2-tiny", "mixer: mamba2", "mixer: mamba2, eps: 1e-3"),
    ("nemotron-h-tiny", "tied: false", "tied: true"),
    ("nemotron-h-tiny", "position: none", "position: rope"),
    ("nemotron-h-tiny", "mixer: mlp, d_ff: 336", "mixer: moe, d_ff: 336"),  # softmax
    ("nemotron-h-tiny", "activation: relu2", "activation: relu2, bias: true, norm: layernorm"),
]


@pytest.mark.parametrize(("name", "old", "new"), INSIDE)
def test_what_a_family_has_no_words_for_is_of_none(name: str, old: str, new: str) -> None:
    registry = blocks.Registry.installed()
    text = published()[name].read_text()
    assert old in text
    plan = blocks.load(text.replace(old, new)).plan(registry=registry)
    assert family_of(plan, registry) is None
