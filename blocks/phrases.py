"""What the words of a sentence mean: blocks of the recipe, components by name and phrase, fixed clauses.

The components come from the registry, so that a stranger's mixer is understood by its registered name and its
`phrases` as the project's own are. Case, hyphens and blanks do not count: `Mamba-2` is `mamba2`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args, get_origin

from blocks.component import Component
from blocks.diagnostics import PluginError
from blocks.recipe import Block
from blocks.registry import Registry
from blocks.resolve import component_kind, members_of, takes_number
from blocks.suggest import did_you_mean

MAX_WORDS = 8  # of one phrase
KINDS = ("mixer", "norm", "position")

FIXED: Mapping[str, tuple[str, Any]] = {
    "pre-norm": ("residual", "pre"),
    "pre-normalization": ("residual", "pre"),
    "pre-LN": ("residual", "pre"),
    "post-norm": ("residual", "post"),
    "post-normalization": ("residual", "post"),
    "post-LN": ("residual", "post"),
    "no residual": ("residual", "none"),
    "no residuals": ("residual", "none"),
    "without residual": ("residual", "none"),
    "without residuals": ("residual", "none"),
    "no positions": ("position", None),
    "no position": ("position", None),
    "no position encoding": ("position", None),
    "no position embeddings": ("position", None),
    "no positional encoding": ("position", None),
    "without positions": ("position", None),
    "NoPE": ("position", None),
    "tied embeddings": ("tied", True),
    "tied embedding": ("tied", True),
    "tied weights": ("tied", True),
    "tied": ("tied", True),
    "untied embeddings": ("tied", False),
    "untied embedding": ("tied", False),
    "untied weights": ("tied", False),
    "untied": ("tied", False),
}
_SYNONYMS = {"keyvalueheads": "kvheads", "queryheads": "heads", "channelsahead": "headdim"}


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the sentence, or one of `,` `%` `and`, with its place."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a phrase stands for: `kind` is block, mixer, norm, position, residual or tied."""

    kind: str
    value: Any
    component: type[Component] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    rivals: tuple[str, ...] = ()


_WORD = re.compile(
    r"(?P<number>\d{1,3}(?:,\d{3})+(?!\w)|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\w*|\.\d+)"
    r"|(?P<word>\w+)|(?P<join>[&+])|(?P<comma>[,;])|(?P<sign>[^\s\-‐‑–—/.:()])"
)


def words_of(text: str) -> list[Word]:
    """The words of a sentence. Hyphens, slashes, dots and brackets only separate."""
    words = []
    for match in _WORD.finditer(text):
        word = match[0]
        if match["comma"]:
            word = ","
        elif match["join"] or word.casefold() == "and":
            word = "and"
        elif match["number"] and "," in word:
            word = word.replace(",", "")
        words.append(Word(word, match.start(), match.end()))
    return words


def fold(text: str) -> str:
    """What counts of a phrase: its letters and digits, without case."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))


class Phrasebook:
    """The phrases that a sentence about `blocks` can use. Raises nothing: a plugin that fails is left out."""

    def __init__(self, registry: Registry, blocks: Mapping[str, Block]) -> None:
        self._table: dict[str, Meaning] = {}
        self._adjectives: dict[str, list[tuple[type[Component], Mapping[str, Any]]]] = {}
        self.clauses: list[str] = [*blocks, "pre-norm", "post-norm", "no residual", "no positions"]
        self.clauses += ["tied embeddings", "untied embeddings"]
        found = list(_components(registry))
        for name in blocks:
            self._table.setdefault(fold(name), Meaning("block", name))
        for kind, name, cls in found:
            self._table.setdefault(fold(name.rpartition(":")[2]), Meaning(kind, name, cls))
        for phrase, (kind, value) in FIXED.items():
            self._table.setdefault(fold(phrase), Meaning(kind, value))
        names = set(self._table)
        for kind, name, cls in found:
            phrases = tuple(cls.__dict__.get("phrases", ()))
            self.clauses += phrases or (name,)
            for phrase in phrases:
                self._add(fold(phrase), Meaning(kind, name, cls), names)
            for adjective, options in _adjectives(cls):
                self._adjectives.setdefault(fold(adjective), []).append((cls, options))
                for phrase in phrases:
                    first, _, rest = phrase.partition(" ")
                    alike = (other for other, o in _adjectives(cls) if o.keys() == options.keys())
                    if fold(first) in map(fold, alike):  # SwiGLU FFN, so GeGLU FFN
                        key = fold(adjective) + fold(rest)
                        self._table.setdefault(key, Meaning(kind, name, cls, options))

    def _add(self, key: str, meaning: Meaning, names: set[str]) -> None:
        other = self._table.get(key)
        if other is None:
            self._table[key] = meaning
        elif key not in names and other.component is not meaning.component:
            rivals = other.rivals or (str(other.value),)
            self._table[key] = replace(other, rivals=(*rivals, str(meaning.value)))

    def match(self, words: Sequence[Word], start: int, depth: int = 0) -> tuple[Meaning, int] | None:
        """The meaning of the longest phrase at `start`, adjectives before it, and the index after it."""
        for length, key in _keys(words, start):
            if key in self._table:
                return self._table[key], start + length
        for length, key in _keys(words, start):
            if key in self._adjectives and depth < 3:
                rest = self.match(words, start + length, depth + 1)
                for cls, options in self._adjectives[key] if rest else ():
                    if rest and rest[0].component is cls:
                        return replace(rest[0], options={**rest[0].options, **options}), rest[1]
        return None

    def nearest(self, text: str) -> str | None:
        """The known clause that was probably meant."""
        return did_you_mean(text, self.clauses)


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
            except PluginError:
                continue
            if isinstance(cls, type) and issubclass(cls, Component):
                yield kind, name, cls


def _adjectives(cls: type[Component]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Words that set an option: those that the component declares, and the values of its choices."""
    yield from cls.adjectives.items()
    for name, info in cls.model_fields.items():
        for member in members_of(info.annotation):
            if get_origin(member) is Literal:
                for value in get_args(member):
                    if isinstance(value, str) and value != "none":
                        yield value, {name: value}


def numeric_field(cls: type[Component], text: str) -> str | None:
    """The field that takes a number and is called so: `kv heads` is n_kv_heads, `window` is window."""
    wanted = fold(text)
    wanted = _SYNONYMS.get(wanted, wanted)
    for name, info in cls.model_fields.items():
        if takes_number(info.annotation):
            short = name[2:] if name[:2] in ("n_", "d_") else name
            if wanted.rstrip("s") in (fold(name).rstrip("s"), fold(short).rstrip("s")):
                return name
    return None


def numeric_fields(cls: type[Component]) -> list[str]:
    """What a person may call the fields that take a number."""
    names = [name for name, info in cls.model_fields.items() if takes_number(info.annotation)]
    return [(name[2:] if name[:2] == "n_" else name).replace("_", " ") for name in names]


def position_field(cls: type[Component]) -> str | None:
    """The slot of a mixer that takes a position."""
    return next((n for n, f in cls.model_fields.items() if component_kind(f.annotation) == "position"), None)
