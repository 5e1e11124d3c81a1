"""Hugging Face: built models as transformers' own, and checkpoints of known families in both directions."""

from blocks import Register, hookimpl

FAMILIES = {
    "bert": "Bert",
    "distilbert": "DistilBert",
    "gpt2": "GPT2",
    "llama": "Llama",
    "roberta": "Roberta",
}
"""Model type -> the class in `families` that reads and writes it."""


@hookimpl
def register_importers(register: Register) -> None:
    """The families of checkpoints that are read and written."""
    for name, importer in FAMILIES.items():
        register(name, f"blocks_hf.families.{name}:{importer}", help=f"checkpoints of model type {name}")
