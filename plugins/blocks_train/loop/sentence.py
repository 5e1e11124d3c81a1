"""A recipe from a sentence: sizes that two cores train in minutes, where it says none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from blocks import RecipeError, Registry, load
from blocks.counts import said_sizes
from blocks.phrases import Phrasebook
from blocks.yaml_text import scalar

D_MODEL, DEPTH, MAX_DEPTH = 128, 13, 64
USUAL = {"steps": 400, "batch": 16, "context": 128, "eval_every": 200, "save_every": 200}
"""Of the `train:` section, where nothing else is asked for: a few minutes on two cores."""


def recipe_of(sentence: str, registry: Registry, set: Sequence[str] = ()) -> str:
    """The text of a recipe that says this sentence, at the depth nearest to a small one with which it works out.

    Raises RecipeError where it works out with none.
    """
    said = said_sizes(sentence[:2000], Phrasebook(registry, {}))
    sizes = {"d_model": said.get("d_model", D_MODEL)}
    wrong: RecipeError | None = None
    for depth in (None, *_depths()):
        text = _text(sentence, sizes if depth is None else {**sizes, "depth": depth}, "vocab_size" in said)
        try:
            load(text, set=set, origin="--set").plan(registry=registry)
        except RecipeError as error:
            codes = {found.code for found in error.diagnostics}
            if not codes <= (NO_DEPTH if depth is None else WRONG_DEPTH):
                raise
            wrong = wrong if wrong is not None and depth is not None and depth != DEPTH else error
        else:
            return text
    assert wrong is not None
    raise wrong


NO_DEPTH, WRONG_DEPTH = {"B0503"}, {"B0401", "B0402", "B0403"}


def _depths() -> Iterator[int]:
    """Depths about the usual one, the nearest first."""
    for distance in range(MAX_DEPTH - DEPTH + 1):
        for depth in dict.fromkeys((DEPTH + distance, DEPTH - distance)):
            if depth >= 1:
                yield depth


def _text(sentence: str, sizes: dict[str, int], has_vocabulary: bool) -> str:
    lines = ["recipe: my-model", *(f"{name}: {value}" for name, value in sizes.items())]
    lines += [] if has_vocabulary else ["tokenizer: byte"]
    return "\n".join([*lines, f"model: {scalar(sentence)}", ""])
