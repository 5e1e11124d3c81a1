"""Reading the options of a component: `with 8 kv heads and QK-norm`, `of 4096`, `(theta 500000, no bias)`."""

from __future__ import annotations

import re
from typing import Any

from blocks.component import Component
from blocks.expressions import ExpressionError, evaluate
from blocks.fields import (
    BIASES,
    TOKENS,
    adjectives,
    choices,
    field_named,
    fold,
    is_switch,
    meant,
    numeric_field,
    option_names,
    position_field,
    slot_kind,
)
from blocks.phrases import MINUS, Phrasebook, Word
from blocks.said import DEFAULT, Range, Said

JOINS = (",", "and")
PERCENT = ("%", "percent")
_NEGATIONS = {"no", "without"}
_TIMES = re.compile(r"(\d+(?:\.\d+)?)x")

Option = tuple[str, Any, Range, int]
"""An option, its value, its place, and the index of the word after it."""


class OptionReader:
    """Reads options at `at` in the words of a sentence."""

    def __init__(self, text: str, words: list[Word], book: Phrasebook) -> None:
        self.text, self.words, self.book = text, words, book
        self.at = 0

    def word(self, index: int) -> str:
        """The word there, as it counts; nothing after the last."""
        return self.words[index].text.casefold() if index < len(self.words) else ""

    def ends(self, index: int) -> bool:
        """Whether a clause ends before this word."""
        return index >= len(self.words) or self.words[index].text in JOINS

    def place(self, start: int, end: int) -> Range:
        """The characters of the words from `start` up to `end`."""
        return self.words[start].start, self.words[end - 1].end

    def slice(self, place: Range) -> str:
        """The characters of the sentence at a place."""
        return self.text[place[0] : place[1]]

    def options(self, said: Said, cls: type[Component]) -> tuple[int, int] | None:
        """Read the options of what was just named; the words that are none, where something is wrong."""
        begin = self.at
        if begin >= len(self.words):
            return None
        if self.words[begin].depth > self.words[begin - 1].depth:
            return self._bracketed(said, cls)
        if self._tokens(said, cls, begin + (self.word(begin) == "of")):
            begin = self.at
            if self.word(begin) in ("with", "and"):
                self._list(said, cls, begin + 1)
            return None
        if self.word(begin) in ("with", "of", "using"):
            if self._list(said, cls, begin + 1, named=True):
                return None
            found = self.book.match(self.words, begin + 1)
            if found is not None and self.word(begin) != "of":  # attention and FFN with RoPE: another clause
                self.at = begin + 1
                return None
            if self._scattered(begin + 1):
                self.at = begin
                return None
            end = begin + 1
            while end < len(self.words) and self.words[end].text not in JOINS:
                end += 1
            self.at = end
            said.range = (said.range[0], self.words[end - 1].end)
            return min(begin + 1, end - 1), end
        self._list(said, cls, begin)
        return None

    def _scattered(self, index: int) -> bool:
        """Whether `8% attention` or `4 attention layers` stands here, which is a clause of its own."""
        after = index + 1 + (self.word(index + 1) in PERCENT)
        found = self.book.match(self.words, after) if self.value(index) is not None else None
        return found is not None and found[0].kind in ("block", "mixer")

    def _tokens(self, said: Said, cls: type[Component], index: int) -> bool:
        """Read a bare number, in tokens: `of 4096`, `of 4,096 tokens`, `128`."""
        name = next((name for name in TOKENS if name in cls.model_fields), None)
        value = self.value(index)
        after = index + 1 + (self.word(index + 1) in ("tokens", "token"))
        # a number that counts something else is no window: `of 8 heads`
        if name is None or value is None or (not self.ends(after) and self._counts(cls, index)):
            return False
        if self.word(after) in PERCENT:
            return False
        said.options[name], said.places[name] = value, self.place(index, index + 1)
        self.at = after
        said.range = (said.range[0], self.words[after - 1].end)
        return True

    def _counts(self, cls: type[Component], index: int) -> bool:
        self.at, before = index, self.at
        found = self.option(cls)
        self.at = before
        return found is not None

    def _list(self, said: Said, cls: type[Component], start: int, *, named: bool = False) -> bool:
        """Read options joined by `and`; whether there was one. With `named`, the first ones may be components."""
        self.at, before = start, self.at
        last = before
        while (option := self.option(cls, named=named)) is not None:
            named = named and self.option(cls) is None
            name, value, place, last = option
            self._give(said, cls, name, value, place)
            self.at = last
            if self.word(last) != "and":
                break
            self.at = last + 1
        self.at = last
        if last > before:
            said.range = (said.range[0], self.words[last - 1].end)
        return last > before

    def _bracketed(self, said: Said, cls: type[Component]) -> tuple[int, int] | None:
        """Read options in brackets; the words that are no option."""
        start, depth = self.at, self.words[self.at].depth
        end = start
        while end < len(self.words) and self.words[end].depth >= depth:
            end += 1
        wrong = None
        while self.at < end:
            if self.word(self.at) in (*JOINS, "with", "of", "using"):
                self.at += 1
                continue
            option = self.option(cls, named=True)
            alone = (
                self.ends(self.at + 1) or self.at + 1 == end or self.word(self.at + 1) in ("tokens", "token")
            )
            if option is None and alone and self._tokens(said, cls, self.at):
                continue
            if option is None or option[3] > end:
                stop = self.at + 1
                while stop < end and self.words[stop].text not in JOINS:
                    stop += 1
                wrong = wrong or (self.at, stop)
                self.at = stop
                continue
            name, value, place, self.at = option
            self._give(said, cls, name, value, place)
        self.at = end
        last = self.words[end - 1].end
        said.range = (said.range[0], last + (self.text[last : last + 1] == ")"))
        return wrong

    @staticmethod
    def _give(said: Said, cls: type[Component], name: str, value: Any, place: Range) -> None:
        for field in meant(cls, name):
            if field != name and field in said.places:  # no conv bias, bias
                continue
            said.options[field], said.places[field] = value, place

    # One option

    def option(self, cls: type[Component], *, named: bool = False) -> Option | None:
        """The option at `at`, which stays; with `named`, components and choices may stand for the slot they fit."""
        start = self.at
        while self.word(start) in ("a", "an", "the"):
            start += 1
        found = self._numeric(cls, start) or self._worded(cls, start)
        return found if found is not None or not named else self._fitting(cls, start)

    def _names(self, start: int) -> list[tuple[int, str]]:
        """The names that could begin at a word, the longest first, and the words after them."""
        found = []
        for length in (4, 3, 2, 1):
            named = self.words[start : start + length]
            if len(named) == length and not any(word.text in JOINS for word in named):
                found.append((start + length, "".join(word.text for word in named)))
        return found

    def _numeric(self, cls: type[Component], start: int) -> Option | None:
        """`8 kv heads`, `window of 4096`, `theta 500000`."""
        value = self.value(start)
        times = _TIMES.fullmatch(self.word(start))
        if times is not None and self.word(start + 1) == "expansion" and "d_ff" in cls.model_fields:
            end = start + 2 + (self.word(start + 2) == "factor")
            return "d_ff", f"{times[1]} * d_model", self.place(start, end), end
        for end, text in self._names(start + (value is not None)):
            name = numeric_field(cls, text)
            if name is None:
                continue
            after = end + (value is None and self.word(end) in ("of", "="))
            number = value if value is not None else self.value(after)
            if number is not None:
                stop = after + (value is None)
                unit = name in TOKENS and self.word(stop) in ("tokens", "token")
                return name, number, self.place(start, stop), stop + unit
        return None

    def _worded(self, cls: type[Component], start: int) -> Option | None:
        """`qkv bias`, `no bias`, `QK-norm`, `position RoPE (theta 5000)`, `activation relu`."""
        negated = self.word(start) in _NEGATIONS
        for end, text in self._names(start + negated):
            name = field_named(cls, text)
            if name is None:
                continue
            place = self.place(start, end)
            if name == BIASES:
                none = self.word(end) == "none"
                return name, not (negated or none), place, end + none
            kind = slot_kind(cls, name)
            if negated or self.word(end) == "none":
                value: Any = "none" if kind else False if is_switch(cls, name) else None
                return name, value, place, end + (not negated)
            if kind is not None:
                slot = self.slot(kind, end + (self.word(end) == "="))
                if slot is not None:
                    return name, slot[0], (place[0], self.words[slot[1] - 1].end), slot[1]
                return name, DEFAULT, place, end
            for after, choice in self._names(end + (self.word(end) == "=")):
                for value in choices(cls, name):
                    if fold(value) == fold(choice):
                        return name, value, self.place(start, after), after
            if is_switch(cls, name):
                return name, True, place, end
        return None

    def _fitting(self, cls: type[Component], start: int) -> Option | None:
        """`RoPE (theta 5000)`, `no positions` and `GELU`, where the component has an option that takes them."""
        position = position_field(cls)
        found = self.book.match(self.words, start)
        if position is not None and found is not None and found[0].kind == "position":
            slot = self.slot("position", start) or ("none", found[1])
            return position, slot[0], self.place(start, slot[1]), slot[1]
        for end, text in self._names(start):
            for adjective, options in adjectives(cls):
                if fold(adjective) == fold(text) and len(options) == 1:
                    name, value = next(iter(options.items()))
                    after = end + (fold(self.word(end)) == fold(name))
                    return name, value, self.place(start, after), after
        return None

    def slot(self, kind: str, start: int) -> tuple[Any, int] | None:
        """What fills a slot, with its own options, and the index of the word after it."""
        found = self.book.match_slot(kind, self.words, start)
        if found is None or found[0].component is None:
            return None
        said = Said(found[0], self.place(start, found[1]), dict(found[0].options))
        before, self.at = self.at, found[1]
        wrong = self.options(said, found[0].component)
        end, self.at = self.at, before
        return None if wrong else (slot_of(said), end)

    def value(self, index: int) -> int | float | None:
        """The number at a word, units included."""
        text = self.word(index)
        if not text.lstrip(MINUS)[:1].isdigit():
            return None
        try:
            return evaluate(self.words[index].text.replace(MINUS[1], MINUS[0]), {})
        except ExpressionError:
            return None

    def known_options(self, cls: type[Component]) -> str:
        """What could be said of a component, for help."""
        return ", ".join(option_names(cls)) or "none"


def slot_of(said: Said) -> str | dict[str, dict[str, Any]]:
    """What was said, as a recipe has it in a slot."""
    name = str(said.meaning.value)
    return {name: dict(said.options)} if said.options else name
