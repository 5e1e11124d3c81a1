"""Teaches transformers the model type `blocks` if it is ever imported; until then, nothing is.

setup.py puts the text of this file into `blocks_hf.pth`, which Python runs as it starts in an environment where the
package is installed. It imports nothing. When transformers comes to import the tables of its Auto classes, one
name is added to each; when it looks one of them up, `transformers.models.blocks` stands for `blocks_hf`.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TABLES = {
    "transformers.models.auto.configuration_auto": {"CONFIG_MAPPING_NAMES": "BlocksConfig"},
    "transformers.models.auto.modeling_auto": {
        "MODEL_MAPPING_NAMES": "BlocksModel",
        "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES": "BlocksForCausalLM",
        "MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES": "BlocksForImageClassification",
        "MODEL_FOR_MASKED_LM_MAPPING_NAMES": "BlocksForMaskedLM",
        "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES": "BlocksForSequenceClassification",
        "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING": "BlocksForSeq2SeqLM",
    },
}
"""Module -> its tables, and the class that stands in each.

One of type `blocks` may be either kind of language model, and programs take a type whose name is in the table of
encoder-decoders for one of those: there, the name stands in the mapping alone.
"""
ALIAS = "transformers.models.blocks"


class BlocksFinder:
    """An importer for one module, and for the tables as the other importers find them, with a name more in each."""

    def find_spec(self, name: str, path: "Any" = None, target: "Any" = None) -> "Any":
        """The spec of a module that concerns us; None for every other one."""
        if name not in TABLES and name != ALIAS:
            return None
        from importlib.util import spec_from_loader

        if name == ALIAS:
            return spec_from_loader(name, self)  # type: ignore[arg-type]
        found = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        spec = next((spec for spec in found if spec is not None), None)
        if spec is not None and spec.loader is not None:
            self._extend(spec.loader, TABLES[name])
        return spec

    def _extend(self, loader: "Any", tables: dict[str, str]) -> None:
        """Have a loader add our names to the tables of the module that it executes."""
        execute = loader.exec_module

        def exec_module(module: "Any") -> None:
            execute(module)
            for table, name in tables.items():
                names = getattr(module, table, {})
                if hasattr(names, "_model_mapping") and not table.endswith("_NAMES"):
                    names._model_mapping = names._model_mapping.copy()
                    names = names._model_mapping
                names.setdefault("blocks", name)

        loader.exec_module = exec_module

    def create_module(self, spec: "Any") -> None:
        """A plain module."""

    def exec_module(self, module: "Any") -> None:
        """Give the alias the names of `blocks_hf`."""
        import blocks_hf

        module.__getattr__ = blocks_hf.__getattr__


if not any(type(finder).__name__ == "BlocksFinder" for finder in sys.meta_path):
    sys.meta_path.insert(0, BlocksFinder())
