"""A config.json in the words of old versions means to us what it means to transformers."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

import blocks

transformers = pytest.importorskip("transformers")

Values = dict[str, Any]


def apart(values: Values, theta: str = "rope_theta", part: str = "partial_rotary_factor") -> Values:
    """Rotary positions at the top level."""
    said = values.pop("rope_parameters")
    assert said.pop("rope_type") == "default"
    values[theta] = said.pop("rope_theta")
    if "partial_rotary_factor" in said:
        values[part] = said.pop("partial_rotary_factor")
    assert not said
    return values


def neox(values: Values) -> Values:
    return apart(values, "rotary_emb_base", "rotary_pct")


def bloom(values: Values) -> Values:
    values |= {"n_embed": values.pop("hidden_size"), "num_attention_heads": values.pop("n_head")}
    return values | {"n_inner": None, "offset_alibi": 100, "seq_length": 2048}


def typed(values: Values) -> Values:
    """Without the list of layers, which other keys imply."""
    assert len(set(values.pop("layer_types"))) == 2
    return apart(values)


def gemma2(values: Values) -> Values:
    return typed(values) | {"hidden_act": values["hidden_activation"], "cache_implementation": "hybrid"}


OLD: list[tuple[str, str, Callable[[Values], Values]]] = [
    ("mistral", "window", apart),
    ("qwen2", "window above", typed),
    ("qwen3", "tied", apart),
    ("gemma2", "caps", gemma2),
    ("olmo2", "all heads", apart),
    ("phi3", "partial rotation, tied", apart),
    ("gpt_neox", "parallel", neox),
    ("gpt_neox", "in turn, no biases, tied", neox),
    ("bloom", "tied", bloom),
]


@pytest.mark.parametrize(("family", "name", "change"), OLD)
@torch.no_grad()
def test_the_same_logits(
    family: str,
    name: str,
    change: Callable[[Values], Values],
    peers: Any,
    measure: ModuleType,
    tmp_path: Path,
) -> None:
    [peer] = [peer for peer in peers(family) if peer.name == name]
    peer.model().save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(change(json.loads(file.read_text()))))
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    tokens, _ = measure.batch(131)
    assert measure.relative(blocks.from_pretrained(tmp_path)(tokens)[0], theirs(tokens).logits) <= 2e-5


@pytest.mark.parametrize(("family", "key", "value"), [
    ("mistral", "num_key_value_heads", 8), ("qwen3", "head_dim", 128), ("gpt_neox", "layer_norm_eps", 1e-5),
    ("gemma2", "attn_logit_softcapping", 50.0), ("llama", "rms_norm_eps", 1e-6), ("gpt2", "n_head", 12),
])  # fmt: skip
@torch.no_grad()
def test_keys_that_are_not_there(
    family: str, key: str, value: Any, measure: ModuleType, tmp_path: Path
) -> None:
    """What a config leaves out has the default of its class."""
    sizes = {
        "num_hidden_layers": 1,
        "num_attention_heads": 32,
        "hidden_size": 256,
        "intermediate_size": 40,
        "vocab_size": 131,
    }
    if family == "gpt2":
        sizes = {"n_layer": 1, "n_embd": 48, "vocab_size": 131}
    config = transformers.AutoConfig.for_model(family, **sizes)
    assert getattr(config, key) == value
    torch.manual_seed(0)
    theirs = transformers.AutoModelForCausalLM.from_config(config).eval()
    theirs.save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    kept = {"architectures", "model_type", "tie_word_embeddings", *sizes}
    file.write_text(json.dumps({k: v for k, v in json.loads(file.read_text()).items() if k in kept}))
    tokens, _ = measure.batch(131)
    assert measure.relative(blocks.from_pretrained(tmp_path)(tokens)[0], theirs(tokens).logits) <= 2e-5
