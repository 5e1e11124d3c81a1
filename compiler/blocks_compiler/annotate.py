"""The canonical recipe of a sentence, with comments that say which words each part comes from, and why."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from blocks import Plan
from blocks.blocktype import BlockType
from blocks.canonical import canonical
from blocks.reader import Document, read
from blocks.validation import Path
from blocks_compiler.describe import first_line

WIDTH = 100


def annotated(plan: Plan) -> str:
    """The text of a recipe that `plan`, made of a sentence, stands for. It plans equal."""
    assert isinstance(plan.recipe.model, str)
    text = canonical(plan)
    document = read(text)
    above: dict[int, list[str]] = {}
    for path, comment in _Comments(plan).all():
        place = _line(document, path)
        if place is not None:
            above.setdefault(place, []).append(comment)
    lines = [*_head(plan)]
    for number, line in enumerate(text.splitlines(), 1):
        indent = len(line) - len(line.lstrip())
        for comment in above.get(number, ()):
            lines += _wrapped(comment, indent)
        lines.append(line)
    return "\n".join(lines) + "\n"


def _head(plan: Plan) -> Iterator[str]:
    assert isinstance(plan.recipe.model, str)
    yield from _wrapped("Made of the sentence", 0)
    yield from _wrapped(plan.recipe.model, 0, "#     ")
    yield from _wrapped(
        "Change what you like: the sentence is only a comment now. `blocks explain` says more.", 0
    )


def _wrapped(text: str, indent: int, mark: str = "# ") -> list[str]:
    """Comment lines; a character that YAML or a terminal could stumble over becomes a space."""
    plain = "".join(c if c.isprintable() else " " for c in text)
    start = " " * indent + mark
    return textwrap.wrap(plain, WIDTH, initial_indent=start, subsequent_indent=start) or [start.rstrip()]


def _line(document: Document, path: Path) -> int | None:
    """The line on which a path of the text starts; None where the text has no such path."""
    here: object = document.value
    for part in path:
        inside = (
            part in here if isinstance(here, dict) else isinstance(here, list) and part in range(len(here))
        )
        if not inside:
            return None
        here = here[part]  # type: ignore[index]
    return document.span(path, key=True).line


class _Comments:
    """Path of the canonical recipe -> what is said about it."""

    def __init__(self, plan: Plan) -> None:
        assert isinstance(plan.recipe.model, str)
        self.plan, self.sentence = plan, plan.recipe.model

    def all(self) -> Iterator[tuple[Path, str]]:
        """In the order of the text, for each path one."""
        if self.plan.tokenizer is not None and ("vocab_size",) not in self.plan.aliases:
            yield ("tokenizer",), "no vocabulary of its own: that of the tokenizer"
        for name, block in self.plan.vocabulary.items():
            yield from self._block(name, block)
        for stream in self.plan.streams:
            for stage in stream.stages:
                yield from self._stage(stage.origin, stage.role, reads=stream.memories)

    def words(self, path: Path) -> str:
        """The words of the sentence that a path comes from, in quotes; nothing where there are none."""
        place = self.plan.aliases.get(path)
        return f'"{self.sentence[place[0] : place[1]]}"' if place is not None else ""

    def _block(self, name: str, block: BlockType) -> Iterator[tuple[Path, str]]:
        path: Path = ("blocks", name)
        said = self.words(path)
        if not said:
            return
        what = (
            f"{len(block.branches)} blocks side by side, added up" if block.join else first_line(block.mixer)
        )
        own = self.plan.aliases[path]
        others = []
        for option in self.plan.canonical.blocks[name].model_dump(exclude_unset=True):
            place = self.plan.aliases.get((*path, option))
            if place is not None and not (own[0] <= place[0] and place[1] <= own[1]):
                others.append(f"{option} is from {self.words((*path, option))}")
        if block.memories:
            others.append(f"reads the {block.memories[0]}, as a decoder does after attending to itself")
        yield path, "; ".join([f"{said}: {what}", *others])

    def _stage(self, path: Path, role: str, reads: tuple[str, ...]) -> Iterator[tuple[Path, str]]:
        said = self.words(path)
        where, key = path[:-1], path[-1]
        if role == "stack":
            yield (
                where,
                f"{said}: the blocks that take turns" + (f", reading the {reads[0]}" if reads else ""),
            )
            reasons = {
                "depth": "layers of the sentence, counted in blocks",
                "scatter": "spread evenly among the others",
                "norm": "of every block",
                "residual": "where the norm of a block stands",
            }
            defaults = {
                "norm": "not said: RMSNorm is the usual norm",
                "residual": "not said: pre-norm is usual",
            }
            for option, reason in reasons.items():
                words = self.words((*path, option))
                if words:
                    yield (*path, option), f"{words}: {reason}"
                elif option in defaults:
                    yield (*path, option), defaults[option]
            return
        reason = {
            "embedding": "a sentence starts from tokens",
            "position": "added to the embeddings, once",
            "norm": "in pre-norm nothing has normalised the stream itself, so this does",
            "head": "not said otherwise: the logits of the next token",
        }.get(role, str(key))
        if role == "embedding" and said:
            reason = "one table of embeddings for the encoder and the decoder"
        elif role == "head" and said:
            reason = "what the model ends in"
        yield where, f"{said}: {reason}" if said else reason
