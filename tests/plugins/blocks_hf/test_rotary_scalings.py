"""Rotary scalings as config.json says them, in the words of today and of yesterday: the same logits as transformers."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import blocks
from blocks_compiler.foreign import open_checkpoint

transformers = pytest.importorskip("transformers")

SIZES = {
    "vocab_size": 131, "hidden_size": 64, "intermediate_size": 80, "num_hidden_layers": 2, "num_attention_heads": 2,
    "max_position_embeddings": 16,
}  # fmt: skip

SCALINGS: dict[str, dict[str, Any]] = {
    "default": {"rope_type": "default"},
    "linear": {"rope_type": "linear", "factor": 3.0},
    "yarn": {"rope_type": "yarn", "factor": 4.0},
    "yarn, all said": {
        "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 24, "attention_factor": 1.3,
        "beta_fast": 8.0, "beta_slow": 0.5,
    },
    "llama3": {
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32,
    },
}  # fmt: skip


def llama(scaling: dict[str, Any]) -> Any:
    """A tiny Llama, the same but for its scaling."""
    torch.manual_seed(0)
    rotary = {**scaling, "rope_theta": 500.0}
    made = transformers.LlamaForCausalLM(transformers.LlamaConfig(**SIZES, rope_parameters=rotary)).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return made


def yesterday(folder: Path) -> None:
    """The config of a folder in the words of old versions."""
    config = json.loads((folder / "config.json").read_text())
    said = config.pop("rope_parameters")
    config |= {"rope_theta": said.pop("rope_theta"), "rope_scaling": {"type": said.pop("rope_type"), **said}}
    (folder / "config.json").write_text(json.dumps(config))


def relative(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float((ours - theirs).abs().max() / theirs.abs().max())


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("name", SCALINGS)
@torch.no_grad()
def test_the_same_logits(name: str, old: bool, tmp_path: Path) -> None:
    theirs = llama(SCALINGS[name])
    theirs.save_pretrained(tmp_path)
    if old:
        yesterday(tmp_path)
    tokens = torch.randint(131, (2, 40))
    expected = theirs(tokens).logits
    assert relative(blocks.from_pretrained(tmp_path)(tokens)[0], expected) <= 2e-5
    if name != "default":  # and it makes a difference
        assert relative(llama(SCALINGS["default"])(tokens).logits, expected) > 1e-3


@torch.no_grad()
def test_dynamic_scaling_agrees_step_by_step(tmp_path: Path) -> None:
    """transformers turns a whole prompt by its own length: a note says so."""
    theirs = llama({"rope_type": "dynamic", "factor": 4.0})
    theirs.save_pretrained(tmp_path)
    ours = blocks.from_pretrained(tmp_path)
    tokens = torch.randint(131, (2, 40))
    cache = transformers.DynamicCache(config=theirs.config)
    steps = [theirs(part, cache=cache, use_cache=True).logits for part in tokens.split([10] + [1] * 30, 1)]
    assert relative(ours(tokens)[0], torch.cat(steps, 1)) <= 2e-5
    assert relative(ours(tokens)[0], theirs(tokens).logits) > 1e-3
    text = open_checkpoint(tmp_path, blocks.Registry.installed()).text
    assert "# Dynamic scaling: beyond 16 tokens" in text


@torch.no_grad()
def test_longrope_agrees_up_to_its_length_and_beyond_it_where_all_is_long(tmp_path: Path) -> None:
    """transformers turns every token of a call by one list: a note says so, and what to add."""
    long = {
        "rope_type": "longrope", "short_factor": [1.0 + 0.1 * i for i in range(16)],
        "long_factor": [1.0 + 2.0 * i for i in range(16)], "factor": 4.0, "original_max_position_embeddings": 16,
    }  # fmt: skip
    theirs = llama(long)
    theirs.save_pretrained(tmp_path)
    ours = blocks.from_pretrained(tmp_path)
    tokens = torch.randint(131, (2, 40))
    assert relative(ours(tokens[:, :16])[0], theirs(tokens[:, :16]).logits) <= 2e-5
    assert relative(ours(tokens)[0], theirs(tokens).logits) > 1e-3
    text = open_checkpoint(tmp_path, blocks.Registry.installed()).text
    assert "# LongRoPE: the first 16 tokens" in text
    changed = text.replace("original_max_len: 16", "original_max_len: 16, long_after: 0")
    assert changed != text
    far = blocks.build(blocks.load(changed))
    far.load_state_dict(ours.state_dict())
    assert relative(far(tokens)[0], theirs(tokens).logits) <= 2e-5
