"""The sentence form: `8% attention, interleaved Mamba-2 and FFN, pre-norm, RoPE` and what it stands for.

    sentence = clause {"," clause}                  in any order, any case; `and` joins clauses too
    clause   = [share] mixer                        8% attention, 4 attention: scattered among the others
             | ["interleaved"] mixer {"," mixer} "and" mixer     blocks that take turns; or one mixer alone
             | "pre-norm" | "post-norm" | "no residual"
             | norm | position | "no positions" | "tied embeddings" | "untied embeddings"
    mixer    = {adjective} phrase [("with" | "of") option {"and" option}]
    option   = number field | field ["of"] number   8 kv heads, window of 4096

Sizes stand at the recipe's top: d_model, depth, vocab_size.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from blocks.clauses import Reading, Said
from blocks.component import Position
from blocks.diagnostics import PluginError
from blocks.phrases import Meaning, fold, position_field
from blocks.recipe import Block, Recipe, Stack, Stage
from blocks.resolve import Resolver


def expand(recipe: Recipe, resolver: Resolver) -> Recipe | None:
    """The recipe that a sentence stands for, or the recipe itself; None after problems were reported.

    `resolver.aliases` then leads from the paths of the new recipe to the characters of the sentence.
    """
    if not isinstance(recipe.model, str):
        return recipe
    before = len(resolver.problems)
    reading = Reading(recipe, resolver)
    reading.read()
    made = _Maker(recipe, resolver, reading).recipe() if len(resolver.problems) == before else None
    return made if len(resolver.problems) == before else None


class _Maker:
    """Makes the recipe of what was said."""

    def __init__(self, recipe: Recipe, resolver: Resolver, said: Reading) -> None:
        self.written, self.resolver, self.said = recipe, resolver, said

    def recipe(self) -> Recipe | None:
        """The recipe that was said. Reports a position that no block takes."""
        blocks: dict[str, Block] = dict(self.written.blocks)
        aliases = self.resolver.aliases
        aliases.clear()
        names = [self._block(said, blocks) for said in self.said.turns]
        scatter: dict[str, int | str] | None = None
        for said in self.said.scattered:
            assert said.share is not None
            scatter = {self._block(said, blocks): said.share}
            if len(names) > 1:
                scatter["before"] = names[-1]
        used = [*names, *(name for name in scatter or () if name != "before")]
        stages = [_stage("embed", "tokens")]
        position = self.said.settled.get("position")
        if position is not None and position.meaning.component is not None:
            cls = position.meaning.component
            if not issubclass(cls, Position) or cls.where == "stream":
                aliases["model", len(stages), "position"] = position.range
                stages.append(_stage("position", _slot(position)))
            elif not self._give_position(position, blocks, used):
                return None
        here = ("model", len(stages), "stack")
        norm, residual = self.said.settled.get("norm"), self.said.settled.get("residual")
        assert self.said.turns_range is not None
        aliases[here] = self.said.turns_range
        for index, said in enumerate(self.said.turns):
            aliases[(*here, "interleave", index)] = said.range
        if self.said.scattered:
            aliases[(*here, "scatter")] = self.said.scattered[0].range
        given: dict[str, Any] = {"interleave": names, "scatter": scatter}
        if norm is not None:
            given["norm"] = _slot(norm)
            aliases[(*here, "norm")] = norm.range
        if residual is not None:
            given["residual"] = residual.meaning.value
            aliases[(*here, "residual")] = residual.range
        stack = Stack.model_validate(given)
        stages.append(_stage("stack", stack))
        if stack.residual == "pre":
            if norm is not None:
                aliases["model", len(stages), "norm"] = norm.range
            stages.append(_stage("norm", stack.norm))
        tied = self.said.settled.get("tied")
        if tied is not None:
            aliases["model", len(stages), "head"] = tied.range
        stages.append(_stage("head", {"lm": {"tied": tied is not None and tied.meaning.value}}))
        return self.written.model_copy(update={"blocks": blocks, "model": stages})

    def _block(self, said: Said, blocks: dict[str, Block]) -> str:
        """The name of what was said in the vocabulary, where it is entered if need be."""
        meaning = said.meaning
        if meaning.kind == "block":
            return str(meaning.value)
        block = Block.model_validate({"mixer": str(meaning.value), **said.options})
        new = [name for name in blocks if name not in self.written.blocks]
        for name in new:
            if blocks[name] == block:
                return name
        name = _free_name(meaning, blocks)
        blocks[name] = block
        self.resolver.aliases["blocks", name] = said.range
        for option, place in said.places.items():
            self.resolver.aliases["blocks", name, option] = place
        return name

    def _give_position(self, said: Said, blocks: dict[str, Block], used: list[str]) -> bool:
        """Put a position into every block with a slot for it that says nothing else."""
        takes = False
        for name in dict.fromkeys(used):
            slot = self._position_slot(blocks[name])
            if slot is None:
                continue
            takes = True
            options = blocks[name].options
            if slot not in options:
                block = blocks[name]
                blocks[name] = Block.model_validate(
                    {**block.model_dump(exclude_unset=True), slot: _slot(said)}
                )
                self.resolver.aliases["blocks", name, slot] = said.range
        if not takes:
            assert self.said.turns_range is not None
            phrase = self.said.slice(said.range)
            self.said.report(
                "B0502", f"none of the blocks has a place for {phrase}", said.range,
                f"leave {phrase} out, or add attention", (self.said.turns_range, "no queries and keys here"),
            )  # fmt: skip
        return takes

    def _position_slot(self, block: Block) -> str | None:
        try:
            cls = self.resolver.registry.find("mixer", block.mixer).load()
        except PluginError:
            return None
        return position_field(cls)


def _stage(key: str, value: Any) -> Stage:
    return Stage.model_validate({key: value})


def _slot(said: Said) -> str | dict[str, dict[str, Any]]:
    name = str(said.meaning.value)
    return {name: dict(said.options)} if said.options else name


def _free_name(meaning: Meaning, blocks: Mapping[str, Block]) -> str:
    """A readable name: the noun of the phrase, else the registered name, else that with a number."""
    registered = re.sub(r"\W", "_", str(meaning.value).rpartition(":")[2])
    phrases = meaning.component.__dict__.get("phrases", ()) if meaning.component is not None else ()
    noun = fold(phrases[0].split()[-1]) if phrases and phrases[0].split() else ""
    candidates = [name for name in (noun, registered) if name and name.isascii() and not name[0].isdigit()]
    candidates += [f"{registered}_{n}" for n in range(2, len(blocks) + 3)]
    return next(name for name in candidates if name not in blocks)
