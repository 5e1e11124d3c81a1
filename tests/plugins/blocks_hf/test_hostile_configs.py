"""Every key of every family's config.json with values nobody expects: a recipe or a refusal, never an exception."""

import json
from pathlib import Path
from typing import Any

import pytest

from blocks import BlocksError, Registry
from blocks.foreign_config import HARMLESS, Config
from blocks_compiler.foreign import importer_of, recipe_of

STRANGE: list[Any] = [
    None, True, False, 0, -1, 2**70, 0.5, float("nan"), "x", [], [0], ["x"], {}, {"x": 1}, {"type": 3},
    {"rope_type": "yarn"},
]  # fmt: skip
REGISTRY = Registry.installed()
FAMILIES = sorted(
    entry.name
    for entry in REGISTRY.of_kind("importer")
    if entry.plugin.distribution == "blocks-dsl" and entry.name != "blocks"
)


def config_of(family: str, peers: Any) -> dict[str, Any]:
    """The config of the first peer of a family, as JSON has it."""
    made = peers(family)[0].make().config
    values: dict[str, Any] = json.loads(made.to_json_string(use_diff=False))
    return {key: value for key, value in values.items() if not key.startswith("_")}


@pytest.mark.parametrize("family", FAMILIES)
def test_strange_values_are_refused_or_read(family: str, peers: Any) -> None:
    pytest.importorskip("transformers")
    values = config_of(family, peers)
    importer = importer_of(family, REGISTRY)
    read = refused = 0
    for key in sorted(values.keys() - HARMLESS):
        for strange in STRANGE:
            changed = values | {key: strange}
            try:
                recipe_of(importer, Config(changed), REGISTRY, name="r")
                read += 1
            except BlocksError:
                refused += 1
    assert read
    assert refused > len(values)


def test_every_family_has_peers_and_stands_in_the_table() -> None:
    root = Path(__file__).parents[3]
    assert {path.stem for path in (root / "benchmarks" / "interchange" / "peers").glob("*.py")} == set(
        FAMILIES
    )
    table = (root / "docs" / "interchange.md").read_text(encoding="utf-8")
    assert [family for family in FAMILIES if f"| {family} |" not in table] == []
