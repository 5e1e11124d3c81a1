"""docs/sentences.md: its examples are models, its table of synonyms is what the language knows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import blocks
from blocks import Registry
from blocks.fields import SYNONYMS
from blocks.phrases import FIXED, NAMED_ALONE, PRESETS

PAGE = Path(__file__).parents[2] / "docs" / "sentences.md"
TEXT = PAGE.read_text(encoding="utf-8")
EXAMPLES = re.search(r"```text\n(.*?)```", TEXT, re.S)
assert EXAMPLES is not None


def table() -> str:
    """What may be written -> what it means, in the order of the code."""
    rows: dict[str, list[str]] = {}
    for phrase, (kind, value) in FIXED.items():
        first = next(other for other, meaning in FIXED.items() if meaning == (kind, value))
        rows.setdefault(first, []).extend([phrase] if phrase != first else [])
    rows |= {phrase: [] for phrase in PRESETS}
    for kind in NAMED_ALONE:
        for entry in Registry.installed(plugins=False).of_kind(kind):
            phrases = entry.load().__dict__.get("phrases", ())
            if phrases:
                rows[phrases[0]] = [*phrases[1:], entry.name]
    for said, meant in SYNONYMS.items():
        rows.setdefault(f"(option) {meant}", []).append(said)
    lines = ["| clause | also |", "|---|---|"]
    return "\n".join(
        lines + [f"| {clause} | {', '.join(dict.fromkeys(also))} |" for clause, also in rows.items()]
    )


def test_the_table_is_what_the_language_knows() -> None:
    written = re.search(r"<!-- synonyms -->\n(.*?)\n<!-- end of synonyms -->", TEXT, re.S)
    assert written is not None
    assert written[1] == table(), "replace the table in docs/sentences.md with what this test makes"


@pytest.mark.parametrize("sentence", EXAMPLES[1].splitlines())
def test_every_example_is_a_model(sentence: str) -> None:
    made = blocks.load(f"recipe: r\nd_model: 512\nvocab_size: 1000\nmodel: {sentence}\n").plan()
    assert made.layers


def test_the_recipe_at_the_top() -> None:
    text = re.search(r"```yaml\n(.*?)```", TEXT, re.S)
    assert text is not None
    assert len(blocks.load(text[1]).plan().layers) == 52
