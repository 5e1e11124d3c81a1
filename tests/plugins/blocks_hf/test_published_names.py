"""Tensors under the names that published files have: without prefixes, with buffers that nothing learned is in."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import blocks

transformers = pytest.importorskip("transformers")

Tensors = dict[str, torch.Tensor]
SMALL = {"vocab_size": 131, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}


def neox() -> torch.nn.Module:
    return transformers.GPTNeoXForCausalLM(transformers.GPTNeoXConfig(**SMALL, intermediate_size=64))


def bloom() -> torch.nn.Module:
    return transformers.BloomForCausalLM(transformers.BloomConfig(**SMALL))


def llama() -> torch.nn.Module:
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**SMALL, intermediate_size=64))


def masks(tensors: Tensors) -> Tensors:
    """Pythia's: a mask, what stands for minus infinity, and the frequencies, in every layer."""
    buffers = {}
    for layer in range(2):
        here = f"gpt_neox.layers.{layer}.attention"
        buffers[f"{here}.bias"] = torch.ones(1, 1, 16, 16, dtype=torch.bool).tril()
        buffers[f"{here}.masked_bias"] = torch.tensor(-1e9)
        buffers[f"{here}.rotary_emb.inv_freq"] = torch.rand(1)
    return tensors | buffers


def frequencies(tensors: Tensors) -> Tensors:
    return tensors | {f"model.layers.{i}.self_attn.rotary_emb.inv_freq": torch.rand(4) for i in range(2)}


def renamed(old: str, new: str) -> Callable[[Tensors], Tensors]:
    def change(tensors: Tensors) -> Tensors:
        assert any(name.startswith(old) for name in tensors)
        return {name.replace(old, new): tensor for name, tensor in tensors.items()}

    return change


@pytest.mark.parametrize(
    ("make", "change"),
    [
        (neox, masks),
        (neox, renamed("embed_out.", "lm_head.")),
        (bloom, renamed("transformer.", "")),
        (llama, frequencies),
    ],
)
def test_old_names(
    make: Callable[[], torch.nn.Module], change: Callable[[Tensors], Tensors], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    make().save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    expected = blocks.from_pretrained(tmp_path).state_dict()
    old = change(load_file(file))
    file.unlink()
    save_file(old, file, {"format": "pt"})
    found = blocks.from_pretrained(tmp_path).state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found)


def test_what_only_looks_like_a_mask_is_not_passed_over(tmp_path: Path) -> None:
    neox().save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    tensors = load_file(file) | {"gpt_neox.layers.0.attention.query_key_value.extra_bias": torch.ones(3)}
    save_file(tensors, file, {"format": "pt"})
    with pytest.raises(
        blocks.BuildError, match=r"left over: gpt_neox\.layers\.0\.attention\.query_key_value\.extra_bias"
    ):
        blocks.from_pretrained(tmp_path)
