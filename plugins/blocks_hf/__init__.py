"""Hugging Face: built models as transformers' own, and checkpoints of known families in both directions.

    import blocks_hf
    model = blocks_hf.to_transformers(blocks.build("gpt2"))     # a PreTrainedModel: generate(), save_pretrained() …

What follows is imported on first use. Where the package is installed, transformers knows the model type `blocks`
by itself: `AutoModelForCausalLM.from_pretrained(folder)` needs no import of blocks.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from blocks import Register, hookimpl

if TYPE_CHECKING:
    from blocks_hf.configuration import BlocksConfig
    from blocks_hf.modeling import (
        BlocksForCausalLM,
        BlocksForImageClassification,
        BlocksForMaskedLM,
        BlocksForSeq2SeqLM,
        BlocksForSequenceClassification,
        BlocksModel,
    )
    from blocks_hf.wrap import from_transformers, to_transformers

_HOME = {
    "BlocksConfig": "configuration",
    "BlocksForCausalLM": "modeling",
    "BlocksForImageClassification": "modeling",
    "BlocksForMaskedLM": "modeling",
    "BlocksForSeq2SeqLM": "modeling",
    "BlocksForSequenceClassification": "modeling",
    "BlocksModel": "modeling",
    "from_transformers": "wrap",
    "to_transformers": "wrap",
}

__all__ = [
    "BlocksConfig",
    "BlocksForCausalLM",
    "BlocksForImageClassification",
    "BlocksForMaskedLM",
    "BlocksForSeq2SeqLM",
    "BlocksForSequenceClassification",
    "BlocksModel",
    "from_transformers",
    "to_transformers",
]


FAMILIES = {
    "bamba": "Bamba",
    "bart": "Bart",
    "bert": "Bert",
    "bloom": "Bloom",
    "distilbert": "DistilBert",
    "gemma2": "Gemma2",
    "gpt2": "GPT2",
    "gpt_neox": "GPTNeoX",
    "llama": "Llama",
    "mamba": "Mamba",
    "mamba2": "Mamba2",
    "marian": "Marian",
    "mistral": "Mistral",
    "mixtral": "Mixtral",
    "nemotron_h": "NemotronH",
    "olmo2": "Olmo2",
    "phi3": "Phi3",
    "qwen2": "Qwen2",
    "qwen3": "Qwen3",
    "roberta": "Roberta",
    "t5": "T5",
    "vit": "ViT",
}
"""Model type -> the class in `families` that reads and writes it."""


@hookimpl
def register_importers(register: Register) -> None:
    """The families of checkpoints that are read and written."""
    for name, importer in FAMILIES.items():
        register(name, f"blocks_hf.families.{name}:{importer}", help=f"checkpoints of model type {name}")
    register("blocks", "blocks_hf.own:Own", help="what was exported as model type blocks")


@hookimpl
def register_exporters(register: Register) -> None:
    """A folder that transformers loads."""
    register(
        "hf", "blocks_hf.exporter:EXPORTER", help="a folder for transformers: config.json and safetensors"
    )


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'blocks_hf' has no attribute {name!r}")
    value = getattr(import_module(f"blocks_hf.{_HOME[name]}"), name)
    globals()[name] = value
    return value
