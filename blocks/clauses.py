"""Reading a sentence: from words to what was said, clause by clause. `blocks.sentence` has the grammar."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from blocks.component import Component
from blocks.expressions import ExpressionError, evaluate
from blocks.phrases import Meaning, Phrasebook, fold, numeric_field, numeric_fields, words_of
from blocks.recipe import Recipe
from blocks.resolve import Resolver

MAX_LENGTH = 2000
_TURNS = {"interleaved", "interleave", "interleaving", "alternating", "alternate", "alternately"}
_FILLERS = {"a", "an", "the", "with", "using", "decoder", "decoders", "only", "in"}
_NOUNS = {"block", "blocks", "layer", "layers"}
_KNOWN = "8% attention; interleaved Mamba-2 and FFN; pre-norm; RMSNorm; RoPE; tied embeddings"

Range = tuple[int, int]


@dataclass(slots=True)
class Said:
    """A component as the sentence has it; `places` says where its options stand."""

    meaning: Meaning
    range: Range
    options: dict[str, Any]
    places: dict[str, Range] = field(default_factory=dict)
    share: int | str | None = None

    def same(self, other: Said) -> bool:
        return (self.meaning.kind, self.meaning.value, self.options) == (
            other.meaning.kind, other.meaning.value, other.options,
        )  # fmt: skip


class Reading:
    """One pass over the words. What is found stands in `turns`, `scattered` and `settled`."""

    def __init__(self, recipe: Recipe, resolver: Resolver) -> None:
        assert isinstance(recipe.model, str)
        self.written, self.text, self.resolver = recipe, recipe.model, resolver
        self.book = Phrasebook(resolver.registry, recipe.blocks)
        self.words = words_of(self.text[:MAX_LENGTH])
        self.at = 0
        self.turns: list[Said] = []
        self.turns_range: Range | None = None
        self.closed = False
        self.scattered: list[Said] = []
        self.settled: dict[str, Said] = {}

    # Problems

    def report(
        self,
        code: str,
        message: str,
        place: Range | None,
        help: str | None,
        first: tuple[Range, str] | None = None,
    ) -> None:
        """Note a problem at characters of the sentence; `first` is a second place that explains it."""
        related: tuple[tuple[tuple[str | int, ...], str], ...] = ()
        if first is not None:
            path = ("model", "clause", first[0][0])
            self.resolver.aliases[path] = first[0]
            related = ((path, first[1]),)
        self.resolver.report(code, message, ("model",), within=place, help=help, related=related)

    def slice(self, place: Range) -> str:
        """The characters of the sentence at a place."""
        return self.text[place[0] : place[1]]

    def _not_understood(self, start: int, what: str = "") -> None:
        """Report the words from `start` to the end of the clause, and go on behind them."""
        end = start
        while end < len(self.words) and (end == start or self.words[end].text not in (",", "and", "with")):
            end += 1
        place = (self.words[start].start, self.words[end - 1].end)
        shown = self.slice(place)
        near = self.book.nearest(shown)
        help = f"did you mean {near!r}?" if near else f"clauses such as: {_KNOWN}"
        self.report("B0501", f"{shown[:60]!r} is not understood{what}", place, help)
        while end < len(self.words) and self.words[end].text not in (",", "and"):
            end += 1
        self.at = end

    # Reading

    def read(self) -> None:
        """Read all clauses, then look for what is missing."""
        if len(self.text) > MAX_LENGTH:
            message = f"a sentence has at most {MAX_LENGTH} characters"
            self.report("B0501", message, None, "write the blocks out")
            return
        before = len(self.resolver.problems)
        join, previous, turning = "", "", False
        while self.at < len(self.words) and not self.resolver.problems.full:
            word = self.words[self.at]
            if word.text in (",", "and"):
                join = "and" if "and" in (join, word.text) else ","
                self.at += 1
            elif fold(word.text) in _TURNS:
                turning, self.at = True, self.at + 1
                self._start_turns(word.start, word.end)
                join, previous = "", "turns"
            else:
                if fold(word.text) in _FILLERS and self.book.match(self.words, self.at) is None:
                    self.at += 1
                    continue
                previous = self._clause(join, previous, turning)
                join, turning = "", False
        understood = len(self.resolver.problems) == before
        if understood and not self.turns:
            what = "only scattered blocks are named" if self.scattered else "no clause says which blocks"
            self.report("B0503", what, None, "add the blocks that take turns: interleaved Mamba-2 and FFN")
        if self.resolver.sizes.depth is None:
            self.report("B0503", "a sentence needs a depth", None, "add `depth: 24` above `model:`")

    def _start_turns(self, start: int, end: int) -> None:
        if self.turns_range is not None:
            self._two_turns((start, end))
        self.turns_range = self.turns_range or (start, end)

    def _two_turns(self, place: Range) -> None:
        assert self.turns_range is not None
        name, first = self.slice(place), self.slice(self.turns_range)
        self.report(
            "B0502", f"{name!r} and {first!r} both say which blocks take turns", place,
            f"give one of them a share, such as 8% {name}, or join them with `and`",
            (self.turns_range, "said here first"),
        )  # fmt: skip

    def _clause(self, join: str, previous: str, turning: bool) -> str:
        """Read one clause; return what it was about."""
        start = self.at
        share = self._share()
        if share is not None and (self.at >= len(self.words) or self.words[self.at].text in (",", "and")):
            place = (self.words[start].start, self.words[self.at - 1].end)
            self.report("B0501", f"{self.slice(place)} of which block?", place, "8% attention")
            return ""
        found = self.book.match(self.words, self.at)
        if found is None:
            self._not_understood(self.at, " as the name of a block" if share is not None else "")
            return ""
        meaning, self.at = found
        place = (self.words[start].start, self.words[self.at - 1].end)
        if meaning.rivals:
            rivals = " or ".join(meaning.rivals)
            self.report("B0501", f"{self.slice(place)!r} has several meanings", place, f"write {rivals}")
            return ""
        said = Said(meaning, place, dict(meaning.options), dict.fromkeys(meaning.options, place), share)
        if meaning.component is not None:
            self._options(said, meaning.component)
        if meaning.kind not in ("block", "mixer"):
            if share is not None:
                message = f"{self.slice(place)!r}: only blocks have a share"
                self.report("B0501", message, place, "8% attention")
                return ""
            return self._settle(said)
        if self.at < len(self.words) and fold(self.words[self.at].text) in _NOUNS:
            self.at += 1
        if self.at < len(self.words) and self.words[self.at].text not in (",", "and"):
            after = self.book.match(self.words, self.at)
            if after is None:
                self._not_understood(self.at, f" after {self.slice(said.range)!r}")
                return ""
            if after[0].kind in ("block", "mixer"):
                place = (self.words[self.at].start, self.words[after[1] - 1].end)
                pair = f"{self.slice(said.range)} and {self.slice(place)}"
                self.report("B0501", "a comma or `and` is missing before this", place, pair)
                self.at = after[1]
                return "turns"
        if share is not None:
            self.scattered.append(said)
            if len(self.scattered) == 2:
                first = self.scattered[0].range
                self.report(
                    "B0502", "a sentence scatters one kind of block, here are two", said.range,
                    "interleave one of them, or write the layout out", (first, "the first one"),
                )  # fmt: skip
            return "share"
        goes_on = previous == "turns" and (join == "and" or not self.closed) and bool(self.turns or turning)
        if self.turns_range is not None and not goes_on:
            self._two_turns(said.range)
            return "turns"
        self.closed = self.closed or (join == "and" and bool(self.turns))
        self.turns.append(said)
        begin = self.turns_range[0] if self.turns_range else said.range[0]
        self.turns_range = (begin, said.range[1])
        return "turns"

    def _share(self) -> int | str | None:
        """`8%`, `8 percent` or `4`, if that stands here, and no phrase that starts with a number."""
        if self.book.match(self.words, self.at) is not None:
            return None
        number = self.words[self.at].text
        if not re.fullmatch(r"\d+(\.\d+)?", number):
            return None
        self.at += 1
        after = fold(self.words[self.at].text) if self.at < len(self.words) else ""
        if self.at < len(self.words) and (self.words[self.at].text == "%" or after == "percent"):
            self.at += 1
            return f"{number}%"
        if "." in number or len(number) > 12:
            self.at -= 1
            return None
        return int(number)

    def _settle(self, said: Said) -> str:
        first = self.settled.setdefault(said.meaning.kind, said)
        if not first.same(said):
            this, other = self.slice(said.range), self.slice(first.range)
            self.report(
                "B0502", f"{this!r} contradicts {other!r}", said.range, "keep one of them",
                (first.range, "said here first"),
            )  # fmt: skip
        return said.meaning.kind

    # Options

    def _options(self, said: Said, cls: type[Component]) -> None:
        """Read `with 8 kv heads and window of 4096`, or `of 4096`."""
        words = self.words
        if self.at >= len(words) or words[self.at].text not in ("with", "of"):
            return
        preposition, begin = words[self.at].text, self.at
        self.at += 1
        if preposition == "of" and "window" in cls.model_fields and self._value(self.at) is not None:
            said.options["window"] = self._value(self.at)
            said.places["window"] = (words[self.at].start, words[self.at].end)
            self.at += 1
            if self.at < len(words) and fold(words[self.at].text) in ("tokens", "token"):
                self.at += 1
            if self.at + 1 < len(words) and words[self.at].text in ("with", "and"):
                begin, self.at = self.at, self.at + 1
            else:
                said.range = (said.range[0], words[self.at - 1].end)
                return
        first = True
        while (option := self._option(cls)) is not None:
            name, value, place, self.at = option
            said.options[name], said.places[name] = value, place
            first = False
            if self.at < len(words) and words[self.at].text == "and":
                begin, self.at = self.at, self.at + 1
            else:
                begin = self.at
                break
        if first and words[begin].text in ("with", "of"):
            self._unknown_option(begin, said, cls)
        else:
            self.at = begin
        said.range = (said.range[0], words[self.at - 1].end)

    def _unknown_option(self, begin: int, said: Said, cls: type[Component]) -> None:
        end = begin + 1
        while end < len(self.words) and self.words[end].text not in (",", "and"):
            end += 1
        inner = min(begin + 1, end - 1)
        place = (self.words[inner].start, self.words[end - 1].end)
        known = ", ".join(numeric_fields(cls)) or "none"
        self.report(
            "B0501", f"{self.slice(place)[:60]!r} is not an option of {self.slice(said.range)!r}", place,
            f"a number and one of: {known}",
        )  # fmt: skip
        self.at = end

    def _option(self, cls: type[Component]) -> tuple[str, int | float, Range, int] | None:
        """One option here: its field, its value, its place, and the index after it."""
        words, start = self.words, self.at
        while start < len(words) and words[start].text in ("a", "an"):
            start += 1
        value = self._value(start)
        for length in (4, 3, 2, 1):
            end = start + length + (value is not None)
            named = words[start + (value is not None) : end]
            if len(named) < length or any(word.text in (",", "and") for word in named):
                continue
            name = numeric_field(cls, "".join(word.text for word in named))
            if name is None:
                continue
            if value is not None:
                return name, value, (words[start].start, words[end - 1].end), end
            after = end + (end < len(words) and words[end].text in ("of", "="))
            number = self._value(after)
            if number is not None:
                return name, number, (words[start].start, words[after].end), after + 1
        return None

    def _value(self, index: int) -> int | float | None:
        """The number at a word, units included."""
        if index >= len(self.words) or not self.words[index].text[0].isdigit():
            return None
        try:
            return evaluate(self.words[index].text, {})
        except ExpressionError:
            return None
