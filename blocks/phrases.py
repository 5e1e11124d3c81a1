"""What the words of a sentence mean: blocks of the recipe, components by name and phrase, clauses of the language.

The components come from the registry, so that a stranger's mixer is understood by its registered name and its
`phrases` as the project's own are. Case, hyphens and blanks do not count: `Mamba-2` is `mamba2`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from blocks.component import Component
from blocks.diagnostics import PluginError
from blocks.fields import adjectives, fold
from blocks.recipe import Block
from blocks.registry import Registry
from blocks.suggest import did_you_mean

MINUS = "-−"
"""Signs of a number that is below zero."""
MAX_WORDS = 8  # of one phrase
KINDS = ("mixer", "norm", "position", "head", "score")
NAMED_ALONE = ("mixer", "norm", "position")
"""Kinds that make a clause by themselves; a head is `lm head`, a score stands in the options of its mixer."""

_CLAUSES: Mapping[str, tuple[tuple[Any, tuple[str, ...]], ...]] = {
    "residual": (
        ("pre", ("pre-norm", "pre-normalization", "pre-LN")),
        ("post", ("post-norm", "post-normalization", "post-LN")),
        ("sandwich", ("sandwich norm", "sandwich norms", "sandwich normalization", "sandwich-LN")),
        ("deepnorm", ("DeepNorm", "deep norm")),
        ("none", ("no residual", "no residuals", "without residual", "without residuals")),
    ),
    "norm": ((None, ("no norm", "no norms", "without norm", "without norms")),),
    "position": (
        (
            None,
            (
                "no positions", "no position", "no position encoding", "no position embeddings",
                "no positional encoding", "without positions", "NoPE",
            ),
        ),
    ),
    "tied": (
        (True, ("tied embeddings", "tied embedding", "tied weights", "tied")),
        (False, ("untied embeddings", "untied embedding", "untied weights", "untied")),
    ),
    "form": (
        ("decoder", ("decoder-only", "causal", "autoregressive")),
        ("encoder", ("encoder-only", "bidirectional", "bidirectional encoder")),
        ("encoder-decoder", ("encoder-decoder", "seq2seq", "sequence-to-sequence")),
    ),
    "shared": (
        (
            True,
            (
                "shared", "shared blocks", "shared layers", "shared parameters", "shared weights",
                "cross-layer sharing",
            ),
        ),
    ),
    "vocabulary": ((True, ("shared vocabulary", "shared embeddings", "one vocabulary")),),
    "scaled": ((True, ("scaled embeddings", "scaled embedding")),),
    "head": ((None, ("no head", "without head", "headless")),),
    "parallel": ((True, ("in parallel", "parallel residual", "parallel residuals", "parallel branches")),),
    "join": (
        ("sum", ("summed", "joined by sum")),
        ("mean", ("averaged", "joined by mean")),
        ("concat", ("concatenated", "joined by concat")),
    ),
}  # fmt: skip
FIXED: Mapping[str, tuple[str, Any]] = {
    phrase: (kind, value)
    for kind, values in _CLAUSES.items()
    for value, phrases in values
    for phrase in phrases
}
"""Clause of the language -> what it settles, and how."""

PRESETS: Mapping[str, tuple[str, ...]] = {"Transformer": ("multi-head attention", "FFN")}
"""Word -> its usual blocks, as phrases; a block of the same family that a sentence names takes their place."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the sentence, or one of `,` `%` `and`, with its place and the brackets around it."""

    text: str
    start: int
    end: int
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a phrase stands for: `kind` is block, preset, a kind of component, or a kind of clause in FIXED."""

    kind: str
    value: Any
    component: type[Component] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    rivals: tuple[str, ...] = ()


_WORD = re.compile(
    rf"(?P<number>(?:(?<![^\s(,;])[{MINUS}](?=\d))?"
    r"(?:\d{1,3}(?:,\d{3})+(?!\w)|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\w*|\.\d+))"
    r"|(?P<word>\w+)|(?P<join>[&+])|(?P<comma>[,;])|(?P<open>\()|(?P<close>\))|(?P<sign>[^\s\-‐‑–—/.:])"
)


def words_of(text: str) -> list[Word]:
    """The words of a sentence. Hyphens, slashes and dots only separate; of brackets the words know the depth."""
    words = []
    depth = 0
    for match in _WORD.finditer(text):
        word = match[0]
        if match["open"] or match["close"]:
            depth = depth + 1 if match["open"] else max(0, depth - 1)
            continue
        if match["comma"]:
            word = ","
        elif match["join"] or word.casefold() == "and":
            word = "and"
        elif match["number"] and "," in word:
            word = word.replace(",", "")
        words.append(Word(word, match.start(), match.end(), depth))
    return words


class Phrasebook:
    """The phrases that a sentence about `blocks` can use. Raises nothing: a plugin that fails is left out."""

    def __init__(self, registry: Registry, blocks: Mapping[str, Block]) -> None:
        self._table: dict[str, Meaning] = {}
        self._slots: dict[str, dict[str, Meaning]] = {}
        self._adjectives: dict[str, list[tuple[type[Component], Mapping[str, Any]]]] = {}
        self.clauses: list[str] = list(blocks)
        """Whole clauses, to be shown where one is not understood."""
        self.clauses += [values[1][0] for kinds in _CLAUSES.values() for values in kinds]
        self.clauses += [*PRESETS, "24 layers", "interleaved"]
        found = list(_components(registry))
        self.components: list[type[Component]] = [cls for _, _, cls in found]
        """What a sentence can name."""
        alone = [one for one in found if one[0] in NAMED_ALONE]
        for name in blocks:
            self._table.setdefault(fold(name), Meaning("block", name))
        for kind, name, cls in found:
            self._enter_slot(kind, name, cls)
        for kind, name, cls in alone:
            self._table.setdefault(fold(name.rpartition(":")[2]), Meaning(kind, name, cls))
        for phrase, (kind, value) in FIXED.items():
            self._table.setdefault(fold(phrase), Meaning(kind, value))
        for phrase in PRESETS:
            self._table.setdefault(fold(phrase), Meaning("preset", phrase))
        names = set(self._table)
        for kind, name, cls in alone:
            phrases = tuple(cls.__dict__.get("phrases", ()))
            self.clauses += phrases or (name,)
            for phrase in phrases:
                self._add(fold(phrase), Meaning(kind, name, cls), names)
            described = adjectives(cls)
            for adjective, options in described:
                self._adjectives.setdefault(fold(adjective), []).append((cls, options))
                alike = {fold(other) for other, o in described if o.keys() == options.keys()}
                for phrase in phrases:
                    first, _, rest = phrase.partition(" ")
                    if fold(first) in alike:  # SwiGLU FFN, so GeGLU FFN
                        key = fold(adjective) + fold(rest)
                        self._table.setdefault(key, Meaning(kind, name, cls, options))

    def _enter_slot(self, kind: str, name: str, cls: type[Component]) -> None:
        table = self._slots.setdefault(kind, {})
        for text in (name, name.rpartition(":")[2], *cls.__dict__.get("phrases", ())):
            table.setdefault(fold(text), Meaning(kind, name, cls))
        if kind == "head":
            short = name.rpartition(":")[2]
            for phrase in (f"{short} head", *cls.__dict__.get("phrases", ())):
                self._table.setdefault(fold(phrase), Meaning(kind, name, cls))
            self.clauses.append(f"{short} head")

    def _add(self, key: str, meaning: Meaning, names: set[str]) -> None:
        other = self._table.get(key)
        if other is None:
            self._table[key] = meaning
        elif key not in names and other.component is not meaning.component:
            rivals = other.rivals or (str(other.value),)
            self._table[key] = replace(other, rivals=(*rivals, str(meaning.value)))

    def match(self, words: Sequence[Word], start: int, depth: int = 0) -> tuple[Meaning, int] | None:
        """The meaning of the longest phrase at `start`, adjectives before it, and the index after it."""
        found: tuple[Meaning, int] | None = None
        for length, key in _keys(words, start):
            meaning = self._table.get(key) or self._table.get(key[:-1] if key[3:].endswith("s") else key)
            if meaning is not None:
                found = meaning, start + length
                break
        for length, key in _keys(words, start):
            if key in self._adjectives and depth < 3:
                rest = self.match(words, start + length, depth + 1)
                for cls, options in self._adjectives[key] if rest else ():
                    if rest and rest[0].component is cls and (found is None or rest[1] > found[1]):
                        found = replace(rest[0], options={**rest[0].options, **options}), rest[1]
        return found

    @cached_property
    def _words(self) -> dict[str, set[str]]:
        """The clauses, and what counts of their words."""
        return {clause: {fold(word.text) for word in words_of(clause)} for clause in self.clauses}

    def meaning(self, phrase: str) -> Meaning | None:
        """What a phrase means by itself."""
        found = self.match(words := words_of(phrase), 0)
        return found[0] if found is not None and found[1] == len(words) else None

    def mixer(self, cls: type[Component]) -> Meaning | None:
        """The registered mixer of a class."""
        return next((m for m in self._slots.get("mixer", {}).values() if m.component is cls), None)

    def match_slot(self, kind: str, words: Sequence[Word], start: int) -> tuple[Meaning, int] | None:
        """The component of a kind that is named at `start`, for a slot, and the index after it."""
        table = self._slots.get(kind, {})
        found = self.match(words, start)
        if found is not None and found[0].kind == kind and found[0].component is not None:
            return found
        return next(
            ((table[key], start + length) for length, key in _keys(words, start) if key in table), None
        )

    def nearest(self, text: str, count: int = 1) -> list[str]:
        """The known clauses that were probably meant: by spelling, else those that share most with `text`."""
        spelled = did_you_mean(text, self.clauses)
        if spelled is not None:
            return [spelled]
        wanted = {fold(word.text) for word in words_of(text)} - {"", "of"}
        scored = []
        for index, (clause, has) in enumerate(self._words.items()):
            if common := sum(map(len, wanted & has)):
                scored.append((-common, len(has - wanted), index, clause))
        return [clause for *_, clause in sorted(scored)[:count]]


def _keys(words: Sequence[Word], start: int) -> Iterator[tuple[int, str]]:
    """Lengths and folded texts of the phrases that could begin at a word, the longest first."""
    parts: list[str] = []
    for word in words[start : start + MAX_WORDS]:
        if word.text == ",":
            break
        parts.append(fold(word.text))
    for length in range(len(parts), 0, -1):
        yield length, "".join(parts[:length])


def _components(registry: Registry) -> Iterator[tuple[str, str, type[Component]]]:
    for kind in KINDS:
        entries = registry.of_kind(kind)
        for entry in entries:
            twice = sum(other.name == entry.name for other in entries) > 1
            name = f"{entry.plugin.distribution}:{entry.name}" if twice else entry.name
            try:
                cls = entry.load()
            except PluginError as error:
                registry.passed_over[f"{kind} {name}"] = error
                continue
            if isinstance(cls, type) and issubclass(cls, Component):
                yield kind, name, cls
