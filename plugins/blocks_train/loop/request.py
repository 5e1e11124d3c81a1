"""What is asked for: the recipe of a run, from a file, a sentence or the run itself, and its tokenizer."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blocks import Coder, Plan, Recipe, RecipeError, load
from blocks.published import locate
from blocks_train.loop.sentence import USUAL, recipe_of

STAND_IN = 2**20
"""A vocabulary to plan with while the tokenizer has yet to be trained."""


@dataclass(frozen=True)
class Request:
    """A recipe to train: `source` is a file or a text, `settings` change it; `notes` are for the person who asks."""

    source: str | Path
    settings: tuple[str, ...]
    args: Namespace
    notes: tuple[str, ...] = ()

    def recipe(self, *more: str) -> Recipe:
        """The recipe, with settings. Raises RecipeError."""
        return load(self.source, set=[*self.settings, *more], origin="--set")

    def plan(self, *more: str) -> Plan:
        """Its plan. Raises RecipeError."""
        return self.recipe(*more).plan(registry=self.args.registry)

    def with_coder(self, obtain: Callable[[Plan], Coder]) -> tuple[Recipe, Plan, Coder]:
        """The recipe, its plan and its tokenizer's coder; `obtain` makes it, and its size is the vocabulary's.

        Raises BlocksError.
        """
        open = self.recipe().vocab_size is None
        plan = self.plan(*([f"vocab_size={STAND_IN}"] if open else []))
        assert plan.tokenizer is not None
        coder = obtain(plan)
        size = [f"vocab_size={coder.vocab_size}"] if open else []
        return self.recipe(*size), self.plan(*size), coder


def request(args: Namespace, before: Mapping[str, Any] | None) -> Request:
    """What the arguments ask for; `before` is run.json of the run that is resumed. Raises BlocksError."""
    settings = tuple(args.set)
    if args.sentence is not None:
        names = {setting.partition("=")[0].strip() for setting in settings}
        usual = tuple(
            f"train.{name}={value}" for name, value in USUAL.items() if f"train.{name}" not in names
        )
        settings = (*usual, *settings)
        source: str | Path = recipe_of(args.sentence, args.registry, settings)
    elif args.recipe is not None:
        source = locate(args.recipe)
    else:
        assert before is not None, "without a recipe, a run is resumed"
        source = before["recipe"]
    made = Request(source, settings, args)
    recipe = made.recipe()
    if recipe.tokenizer is not None:
        return made
    if isinstance(recipe.vocab_size, int) and recipe.vocab_size < 256:
        raise RecipeError.of(
            "B1507",
            f"{recipe.recipe} names no tokenizer, and its {recipe.vocab_size} ids are too few for bytes",
            help="tokenizer: char, or --set tokenizer=char",
        )
    note = f"{recipe.recipe} names no tokenizer: text is read as bytes (tokenizer: byte)"
    return Request(source, (*settings, "tokenizer=byte"), args, (note,))
