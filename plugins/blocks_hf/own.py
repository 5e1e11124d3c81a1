"""Model type `blocks`: folders that `blocks export --to hf` writes for architectures of no family, read again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from blocks import Plan
from blocks.foreign_config import Config
from blocks.importer import Importer, Rule

BASE = "model."


class Own(Importer):
    """The recipe stands in config.json, and the weights have our names, all but the heads' behind `model.`."""

    model_type = "blocks"
    architectures = {}  # noqa: RUF012

    def recipe(self, config: Config) -> str:
        text = config.get("recipe")
        config.all_read()  # the other keys say what the recipe says, for transformers' tools
        return text if isinstance(text, str) else ""

    def weights(self, config: Config) -> Iterator[Rule]:
        for name in config.names:
            yield Rule(name.removeprefix(BASE), name)

    def config(self, plan: Plan) -> dict[str, Any] | None:
        return None  # transformers' own classes write it
